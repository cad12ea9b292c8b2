/* Words of the page of slots. */
export default {
  en: {
    title: "Slots",
  },
  ru: {
    title: "Слоты",
  },
};
