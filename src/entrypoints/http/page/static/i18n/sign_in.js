/* Words of the sign-in form. */
export default {
  en: {
    showPassword: "Show the password",
    hidePassword: "Hide the password",
  },
  ru: {
    showPassword: "Показать пароль",
    hidePassword: "Скрыть пароль",
  },
};
