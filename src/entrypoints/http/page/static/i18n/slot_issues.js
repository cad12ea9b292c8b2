/* Texts of the codes in `reasons` of a slot; `{name}` is a parameter of the code. */
export default {
  en: {
    circuit_open: "{provider} is failing; calls to it are paused between trials.",
    key_missing: "{provider} has no key.",
    key_unreadable: "The stored key of {provider} cannot be decrypted. Set it again.",
    operation_unknown: "The provider {provider} has no operation {operation}.",
    photos_failed: "{count} of the last {total} photos got no picture.",
    photos_with_fallback: "{count} of the last {total} photos got a fallback.",
    provider_failing: "{provider} is failing: {count} of its last {total} calls made a picture.",
    provider_unknown: "The provider {provider} is not installed.",
    route_empty: "The route is empty.",
  },
  ru: {
    circuit_open: "Сбои у {provider}: запросы приостановлены, идут только пробные.",
    key_missing: "У {provider} нет ключа.",
    key_unreadable: "Сохранённый ключ {provider} не удаётся расшифровать. Задайте его заново.",
    operation_unknown: "У провайдера {provider} нет операции {operation}.",
    photos_failed: "Без готового фото: {count} из последних {total}.",
    photos_with_fallback: "Получили запасной ответ: {count} из последних {total} фото.",
    provider_failing: "Сбои у {provider}: из последних запросов ({total}) удались {count}.",
    provider_unknown: "Провайдер {provider} не установлен.",
    route_empty: "Маршрут пуст.",
  },
};
