/* Words of settings that are mappings. */
export default {
  en: {
    example: "name=value",
    perLine: "One on each line: name=value.",
  },
  ru: {
    example: "имя=значение",
    perLine: "По одному на строке: имя=значение.",
  },
};
