/* Texts of the classification of a call to a provider. */
export default {
  en: {
    picture: "Picture",
    retryable: "Failed, worth a retry",
    down: "Provider is failing",
    timeout: "Too slow",
    rejected: "Refused",
    quota: "Quota exhausted",
    not_configured: "Not configured",
    unavailable: "Unavailable",
    crashed: "Crashed",
    cancelled: "Stopped",
    blocked: "Not called: paused or limited",
  },
  ru: {
    picture: "Готовое фото",
    retryable: "Не вышло, стоит повторить",
    down: "Сбой у провайдера",
    timeout: "Слишком долго",
    rejected: "Отказ",
    quota: "Квота исчерпана",
    not_configured: "Не настроен",
    unavailable: "Недоступен",
    crashed: "Аварийный сбой",
    cancelled: "Остановлено",
    blocked: "Не вызван: пауза или лимит",
  },
};
