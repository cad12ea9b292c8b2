/* The texts of the shipped providers: the API gives them in English. Those of a provider that was installed later stay as it says them. */
import { language } from "../lib/language.js";

const RUSSIAN = {
  "On this machine": "На этой машине",
  "Natural enhance": "Естественная коррекция",
  "Longest side": "Длинная сторона",
  "Longest side of the picture in pixels, at most.": "Длинная сторона снимка в пикселях, не больше.",
  "File type": "Тип файла",
  "Type of the finished file.": "Тип готового файла.",
  jpeg: "JPEG",
  png: "PNG",
  webp: "WebP",
  Strength: "Сила",
  "How far the photo is corrected.": "Насколько сильно исправляется фото.",
  Warmth: "Теплота",
  "Cooler below zero, warmer above it.": "Меньше нуля — холоднее, больше — теплее.",
  Sharpness: "Резкость",
  "How much fine detail is sharpened.": "Насколько резче становятся мелкие детали.",
  "Artistic look": "Художественный стиль",
  Look: "Стиль",
  "The look of the finished picture.": "Стиль готового снимка.",
  comic: "комикс",
  cyber: "кибер",
  noir: "нуар",
  oil: "масло",
  pop: "поп-арт",
  sketch: "набросок",
  vintage: "винтаж",
  watercolor: "акварель",
  "100 is the look alone, 0 is the photo; between them both mix.": "100 — только стиль, 0 — само фото, между ними они смешиваются.",
  Frame: "Рамка",
  frame: "рамка",
  Style: "Вид",
  style: "стиль",
  face: "лицо",
  reference: "образец",
  background: "фон",
  "The border that is drawn when there is no frame picture.": "Кайма, которая рисуется, если нет картинки рамки.",
  classic: "классика",
  gradient: "градиент",
  party: "праздник",
  polaroid: "полароид",
  Caption: "Подпись",
  "A line of text, such as the event.": "Строка текста, например название события.",
  Colour: "Цвет",
  "A colour as #RRGGBB.": "Цвет в виде #RRGGBB.",
  "Second colour": "Второй цвет",
  "Border width": "Ширина каймы",
  "In percent of the photo's shorter side.": "В процентах от короткой стороны фото.",
  "Fit of the frame picture": "Подгонка картинки рамки",
  "cover: the photo is cropped to the frame's shape; stretch: the frame takes the photo's shape.":
    "Обрезка: фото обрезается под форму рамки; растяжение: рамка принимает форму фото.",
  cover: "обрезка",
  stretch: "растяжение",
  Background: "Фон",
  Mode: "Режим",
  "studio: the surroundings are blurred and washed with the colour; bokeh: blurred only; colour: a backdrop in the colour; replace: the template `background`, or such a backdrop without one; vignette: darkened edges, which is also what a photo without people gets. All but vignette need the extra `people`; without it only an even backdrop can be replaced.":
    "Студия: всё вокруг людей размыто и подкрашено; боке: только размыто; однотонный: фон выбранного цвета; замена: шаблон «фон», а без него — такой же цветной фон; виньетка: затемнённые края, так же обрабатываются фото без людей. Для всех режимов, кроме виньетки, нужно дополнение people; без него можно заменить только ровный фон.",
  bokeh: "боке",
  colour: "однотонный",
  replace: "замена",
  studio: "студия",
  vignette: "виньетка",
  "How strong blur, wash or darkening are.": "Насколько сильны размытие, окраска или затемнение.",
  Tolerance: "Допуск",
  "colour, replace: how far an even backdrop may differ from its main colour.":
    "Однотонный, замена: насколько ровный фон может отличаться от своего основного цвета.",
  "Edit by prompt": "Правка по описанию",
  Prompt: "Описание",
  "What is to become of the photo. The model sees the photo first, then the slot's templates `face`, `reference` and `style`, those that there are, in this order.":
    "Что сделать с фото. Модель видит сначала фото, затем шаблоны слота «лицо», «образец» и «стиль», какие есть, в этом порядке.",
  Model: "Модель",
  "Name of an image model (on Azure: of a deployment). Names change often; any is accepted here.":
    "Название модели (в Azure — развёртывания). Названия часто меняются, поэтому принимается любое.",
  Size: "Размер",
  "auto, 1024x1024, 1536x1024, 1024x1536, or WIDTHxHEIGHT in pixels, both divisible by 16, no side more than three times the other, where the model makes any size.":
    "auto, 1024x1024, 1536x1024, 1024x1536 или ШИРИНАxВЫСОТА в пикселях: обе кратны 16, одна не больше другой втрое — если модель делает любые размеры.",
  Quality: "Качество",
  "Better takes longer and costs more; not every model has xhigh and max.": "Лучшее дольше и дороже; наивысшие значения есть не у каждой модели.",
  auto: "авто",
  high: "высокое",
  low: "низкое",
  max: "максимальное",
  medium: "среднее",
  xhigh: "очень высокое",
  Likeness: "Сходство",
  "How closely faces of the photo are kept. Leave it out where the model does not have it.":
    "Насколько точно сохраняются лица. Не указывайте, если модель этого не умеет.",
  Compression: "Сжатие",
  "In percent, for jpeg and webp; without it, the service's own default.": "В процентах, для JPEG и WebP; без него — как решит сервис.",
  "transparent needs png or webp as the file type.": "Для прозрачного фона нужен тип файла PNG или WebP.",
  opaque: "непрозрачный",
  transparent: "прозрачный",
  "Name of an image model of the Gemini API. Names change often; any is accepted here.":
    "Название модели Gemini API. Названия часто меняются, поэтому принимается любое.",
  "Aspect ratio": "Пропорции",
  "Shape of the picture; without it, the shape of the photo.": "Форма снимка; без неё — как у фото.",
  "Resolution of the picture; without it, the model's own default.": "Разрешение снимка; без него — как решит модель.",
  Temperature: "Температура",
  "How freely the model varies. Deprecated by Google: newer models may refuse it.": "Насколько вольно работает модель. Google считает настройку устаревшей: новые модели могут её не принять.",
  Thinking: "Обдумывание",
  "How long the model plans the picture; more takes longer. Not every model has every level.":
    "Сколько модель обдумывает снимок; больше — дольше. Не у каждой модели есть все уровни.",
  minimal: "минимальное",
  People: "Люди",
  "Which people the model may draw. Only with Vertex AI.": "Каких людей модель может рисовать. Только для Vertex AI.",
  allow_all: "всех",
  allow_adult: "только взрослых",
  allow_none: "никого",
  "The same seed makes similar pictures; without it, each picture differs.": "То же число даёт похожие снимки; без него каждый снимок другой.",
  Planning: "Обдумывание",
  "How much the model plans the picture; without it, the model's own default.": "Сколько модель обдумывает снимок; без настройки — как решит модель.",
  "What is to become of the photo. The model sees the photo first, then this text.": "Что сделать с фото. Модель видит сначала фото, затем этот текст.",
  "Style of a template": "Стиль шаблона",
  "The model sees the photo first, then the template `style`, then this text.": "Модель видит сначала фото, затем шаблон «стиль», затем этот текст.",
  "Guest in a template": "Гость на шаблоне",
  "The model sees the photo first, then the template `face`, then this text.": "Модель видит сначала фото, затем шаблон «лицо», затем этот текст.",
  "Change by prompt": "Изменение по описанию",
  "What shall become of the photo. May hold {field}, filled in from the request.": "Что сделать с фото. Может содержать {field} — подставляется из запроса.",
  "Negative prompt": "Чего избегать",
  "What shall not be in the picture.": "Чего не должно быть на снимке.",
  "How far the picture may go from the photo: 0 is not at all.": "Насколько снимок может отойти от фото: 0 — совсем не может.",
  Scale: "Точность",
  "How closely the prompt is followed; more is closer.": "Насколько точно выполняется описание; больше — точнее.",
  Seed: "Начальное число",
  "The same number gives a similar picture again; none: each is another.": "То же число даёт похожий снимок; без него каждый снимок другой.",
  "Language of the prompt": "Язык описания",
  "Two letters, such as ru or en.": "Две буквы, например ru или en.",
  User: "Пользователь",
  "The number that the service files the work under.": "Номер, под которым сервис ведёт работу.",
  "Edit by prompt, photo up to 4 megapixels": "Правка по описанию, фото до 4 мегапикселей",
  "What is to become of the photo. A model that takes several pictures sees the photo first, then the slot's templates `face`, `reference` and `style`, those that there are, in this order.":
    "Что сделать с фото. Модель, которая принимает несколько картинок, видит сначала фото, затем шаблоны слота «лицо», «образец» и «стиль», какие есть, в этом порядке.",
  "What shall not be in the picture, for models that take one.": "Чего не должно быть на снимке, если модель это умеет.",
  "Type of the finished file; without it, jpeg where the model writes it.": "Тип готового файла; без него — JPEG, если модель его умеет.",
  "Field of the photo": "Поле для фото",
  "Field of the model's input that takes the photo. Needed for models that are not in the list.":
    "Поле входных данных модели, в которое передаётся фото. Нужно для моделей не из списка.",
  "Field is a list": "Поле — список",
  "Whether that field takes a list of pictures.": "Принимает ли это поле список картинок.",
  "Further fields": "Другие поля",
  "Further fields of the model's input.": "Другие поля входных данных модели.",
  "Id of a model that edits pictures, such as fal-ai/flux-2-pro/edit. Any is accepted here.":
    "Имя модели, которая правит картинки, например fal-ai/flux-2-pro/edit. Принимается любое.",
  "An official model as owner/name, any other as owner/name:version, such as black-forest-labs/flux-kontext-pro. Any is accepted here.":
    "Официальная модель — владелец/имя, любая другая — владелец/имя:версия, например black-forest-labs/flux-kontext-pro. Принимается любая.",
  Wait: "Ожидание",
  "Seconds for which the first request is held instead of asking for the result: the picture comes up to half a second sooner, but if a worker dies meanwhile, the work is paid for twice.":
    "Сколько секунд держать первый запрос вместо опроса: снимок приходит на полсекунды раньше, но если процесс в это время завершится аварийно, работа будет оплачена дважды.",
  "Strengthens the effect. May hold {field}, filled in from the request.": "Усиливает эффект. Может содержать {field} — подставляется из запроса.",
  "Run a workflow": "Выполнить схему",
  Workflow: "Схема",
  "The workflow in API format: the file that Export (API) in ComfyUI's menu saves. Give the nodes that PhotoChanger fills in one of these titles: pc:photo, pc:prompt, pc:negative, pc:seed, pc:output, pc:template:style (also background, frame, face). What has only one choice needs no title.":
    "Схема в формате API: файл, который сохраняет пункт меню ComfyUI «Export (API)». Узлам, которые заполняет PhotoChanger, дайте заголовки: pc:photo, pc:prompt, pc:negative, pc:seed, pc:output, pc:template:style (а также background, frame, face). Если подходит только один узел, заголовок не нужен.",
  "The text of the nodes marked pc:prompt. May hold {field}, filled in from the request. Empty: the workflow's own text.":
    "Текст узлов с пометкой pc:prompt. Может содержать {field} — подставляется из запроса. Если пусто, остаётся текст из схемы.",
  "The text of the nodes marked pc:negative. Empty: the workflow's own text.": "Текст узлов с пометкой pc:negative. Если пусто, остаётся текст из схемы.",
  "Nodes by number": "Узлы по номерам",
  "Instead of titles: which node is what, with its input where that is not clear, such as photo=10, prompt=6.text, seed=3, output=9, template:style=12.":
    "Вместо заголовков: какой узел для чего, при необходимости с именем входа. Например: photo=10, prompt=6.text, seed=3, output=9, template:style=12.",
  "Way of the key": "Способ передачи ключа",
  "How the provider's key, where one is set, is sent to a proxy in front of ComfyUI. bearer: as a token; basic: as user:password; header: in the header named below.":
    "Как ключ провайдера, если он задан, передаётся прокси перед ComfyUI: как токен; как пользователь:пароль; в заголовке, указанном ниже.",
  basic: "пользователь:пароль",
  bearer: "токен",
  header: "заголовок",
  "Header of the key": "Заголовок для ключа",
  "Carries the provider's key where its way is header.": "Содержит ключ провайдера, если он передаётся в заголовке.",
  "Own cost": "Своя стоимость",
  "What one picture costs you, in US dollars: it counts in statistics and budgets.": "Во что вам обходится один снимок, в долларах США: учитывается в статистике и бюджетах.",
  "Change of faces": "Замена лиц",
  "Whose face goes where": "Чьё лицо куда",
  "guest_onto_template: the guest's face goes onto the person of the template `face`, the template is the picture that comes out. template_onto_guest: the face of the template goes onto the guest, the photo is the picture that comes out.":
    "Гость на шаблон: лицо гостя переносится на человека с шаблона «лицо», получается шаблон. Шаблон на гостя: лицо с шаблона переносится на гостя, получается фото.",
  guest_onto_template: "гость на шаблон",
  template_onto_guest: "шаблон на гостя",
  "Restore the face": "Восстановить лицо",
  "Sharpen the face after it was put in.": "Сделать лицо резче после переноса.",
  "Name of a model of the BFL API. Names change often; any is accepted here.":
    "Название модели BFL API. Названия часто меняются, поэтому принимается любое.",
  "What is to become of the photo. The model sees the photo as image 1, then the slot's templates `face`, `reference` and `style`, those that there are, in this order.":
    "Что сделать с фото. Модель видит фото как изображение 1, затем шаблоны слота «лицо», «образец» и «стиль» — те, что есть, в этом порядке.",
  Width: "Ширина",
  Height: "Высота",
  "In pixels, for FLUX.2 models; without it, by the photo. More costs more.": "В пикселях, для моделей FLUX.2; если не указать — по фото. Чем больше, тем дороже.",
  "For Kontext models; without it, the shape of the photo.": "Для моделей Kontext; если не указать — как у фото.",
  Steps: "Шаги",
  "For flux-2-flex: more take longer.": "Для flux-2-flex: чем больше шагов, тем дольше.",
  Guidance: "Следование описанию",
  "For flux-2-flex: how closely the prompt is followed.": "Для flux-2-flex: насколько точно выполняется описание.",
  "Safety tolerance": "Допуск модерации",
  "0 is the strictest; without it, the service's own default (2).": "0 — самая строгая проверка; если не указать — как решит сервис (2).",
};

const ENGLISH = { jpeg: "JPEG", png: "PNG", webp: "WebP" };

const words = { en: Object.fromEntries(Object.keys(RUSSIAN).map((text) => [text, ENGLISH[text] ?? text])), ru: RUSSIAN };

export default words;

/** A text of a provider in the language of the moment. */
export const providerText = (text) => (Object.hasOwn(RUSSIAN, text) ? words[language.get()][text] : text);

/** A value or key of a setting as a name: "guest_onto_template" becomes "Guest onto template". */
export function settingLabel(value) {
  const text = providerText(String(value)).replaceAll("_", " ");
  return text.slice(0, 1).toLocaleUpperCase() + text.slice(1);
}
