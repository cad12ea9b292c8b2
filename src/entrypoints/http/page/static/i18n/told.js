/* What the API says of slots and their fields, in English, said in the language of the page. Anything else stays as it is. */
import { language } from "../lib/language.js";

const words = {
  en: {
    noKey: "{provider} has no key.",
    breaker: "{provider} fails; it is left alone for a while.",
    notInstalled: "There is no provider {provider} here.",
    noOperation: "The provider {provider} has no operation {operation}.",
    emptyRoute: "The route is empty.",
    gotNone: "{n} of the last {all} photos got no picture.",
    gotFallback: "{n} of the last {all} photos got a fallback.",
    name: "A name has 1 to {n} characters that can be seen, in one line.",
    activeNeeds: "A slot that is active needs at least one entry.",
    tooLong: "A route has at most {n} entries.",
    hedgeNeeds: "Hedging needs a second entry to ask as well.",
    notAField: "{field} is not among the prompt fields.",
    fieldName: "A field's name is made of A-Z, a-z, 0-9 and _, at most 64, and begins with no digit.",
    fieldTwice: "This field is there already.",
    roleTwice: "There is another template under this key.",
    noRole: "No entry of the route takes a template as {role}; {others}.",
    noTemplate: "There is no such template.",
    galleryLong: "A gallery can be open for {n} days from now at most.",
    needed: "This setting is needed.",
    noSetting: "There is no such setting.",
    nothingToTry: "There is nothing to try: the route has no entry.",
    atLeast: "Expected `{type}` >= {n}",
    atMost: "Expected `{type}` <= {n}",
    longer: "Expected `str` of length >= {n}",
    shorter: "Expected `str` of length <= {n}",
    pattern: "Expected `str` matching regex {pattern}",
    invalidChoice: "Invalid enum value {value}",
    wrongType: "Expected `{type}`, got `{given}`",
  },
  ru: {
    noKey: "У {provider} нет ключа.",
    breaker: "{provider} не справляется, его на время оставили в покое.",
    notInstalled: "Провайдера {provider} здесь нет.",
    noOperation: "У провайдера {provider} нет операции {operation}.",
    emptyRoute: "Маршрут пуст.",
    gotNone: "Из последних {all} фото без снимка остались: {n}.",
    gotFallback: "Из последних {all} фото запасной ответ получили: {n}.",
    name: "В названии от 1 до {n} видимых символов, в одну строку.",
    activeNeeds: "Включённому слоту нужен хотя бы один шаг.",
    tooLong: "В маршруте не больше {n} шагов.",
    hedgeNeeds: "Нужен второй шаг, который тоже можно спросить.",
    notAField: "Поля {field} нет среди разрешённых.",
    fieldName: "Имя поля состоит из A-Z, a-z, 0-9 и _, не длиннее 64 и начинается не с цифры.",
    fieldTwice: "Это поле уже есть.",
    roleTwice: "Под этим ключом уже есть шаблон.",
    noRole: "Ни один шаг маршрута не берёт шаблон {role} ({others}).",
    noTemplate: "Такого шаблона нет.",
    galleryLong: "Галерею можно открыть не больше чем на {n} дней вперёд.",
    needed: "Это нужно заполнить.",
    noSetting: "Такой настройки нет.",
    nothingToTry: "Пробовать нечего: в маршруте нет ни одного шага.",
    atLeast: "Нужно число не меньше {n} ({type}).",
    atMost: "Нужно число не больше {n} ({type}).",
    longer: "Нужно символов не меньше {n}.",
    shorter: "Нужно символов не больше {n}.",
    pattern: "Это не подходит к образцу {pattern}.",
    invalidChoice: "Такого выбора нет: {value}.",
    wrongType: "Нужно {type}, а не {given}.",
  },
};

export default words;

const PATTERNS = Object.entries(words.en).map(([key, text]) => {
  const names = [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  const escaped = text.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{\w+\}/g, "(.+)");
  return { key, names, pattern: new RegExp(`^${escaped}$`) };
});

/** The text of the API in the language of the moment. */
export function inOurWords(text) {
  if (!text || language.get() === "en") return text;
  for (const { key, names, pattern } of PATTERNS) {
    const match = pattern.exec(text);
    if (match) return words[language.get()][key].replace(/\{(\w+)\}/g, (_, name) => match[names.indexOf(name) + 1]);
  }
  return text;
}
