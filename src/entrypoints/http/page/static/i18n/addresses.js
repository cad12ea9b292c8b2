/* Words of addresses that other devices cannot open. */
export default {
  en: {
    onlyHere: "This address works on this computer only. Cameras and phones cannot open it.",
    inNetwork: "Devices in the same network can use this address instead:",
    mayChange: "It may change when the computer joins the network again. Set a lasting address in",
    notInNetwork: "The service accepts connections from this computer only. For the network, start it with",
    noCode: "No QR code: phones cannot open this address.",
  },
  ru: {
    onlyHere: "Этот адрес работает только на этом компьютере. Камеры и телефоны его не откроют.",
    inNetwork: "Устройства в той же сети могут использовать такой адрес:",
    mayChange: "Он может измениться, когда компьютер снова подключится к сети. Постоянный адрес задаётся в",
    notInNetwork: "Сервис принимает соединения только с этого компьютера. Чтобы открыть его для сети, запустите",
    noCode: "QR-кода нет: телефоны не откроют этот адрес.",
  },
};
