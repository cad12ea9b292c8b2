/* Words of handing a picture on, for guests and administrators. */
export default {
  en: {
    share: "Share",
    shareFailed: "It could not be shared. Download it instead.",
    copyLink: "Copy link",
    linkCopied: "Link copied",
  },
  ru: {
    share: "Поделиться",
    shareFailed: "Поделиться не удалось. Скачайте фото.",
    copyLink: "Копировать ссылку",
    linkCopied: "Ссылка скопирована",
  },
};
