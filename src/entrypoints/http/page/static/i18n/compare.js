/* Texts of the before/after comparison. */
export default {
  en: {
    before: "Before",
    after: "After",
    slider: "How much of the photo before is shown",
    undecoded: "This browser cannot show photos of this type; only the finished picture is shown.",
  },
  ru: {
    before: "До",
    after: "После",
    slider: "Какая часть исходного фото видна",
    undecoded: "Этот браузер не показывает фото такого типа, поэтому видно только готовое фото.",
  },
};
