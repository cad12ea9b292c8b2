/* Words of the cameras after a change of their password. */
export default {
  en: {
    cameras: "Cameras since the change",
    noneActive: "No active slot accepts this password.",
    camera_right: "Sends the new password",
    camera_wrong: "Refused: sends a wrong password",
    camera_missing: "Refused: sends no password",
    camera_silent: "No photo since the change",
  },
  ru: {
    cameras: "Камеры после смены пароля",
    noneActive: "Ни один включённый слот не принимает этот пароль.",
    camera_right: "Присылает новый пароль",
    camera_wrong: "Отказ: присылает неверный пароль",
    camera_missing: "Отказ: не присылает пароль",
    camera_silent: "После смены фото ещё не было",
  },
};
