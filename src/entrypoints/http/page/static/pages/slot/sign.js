/* The sign of a gallery, to put beside the booth: A5, with title and QR code, in the language of the guests. */
import { onlyHere } from "../../lib/hosts.js";
import { html, render, useState } from "../../lib/html.js";
import { LANGUAGES, language, translator } from "../../lib/language.js";
import { Icon } from "../../parts/icon.js";
import { printAlone } from "../../parts/picture/print.js";
import { QrCode } from "../../parts/qr.js";
import words from "../../i18n/slot_gallery.js";

const t = translator(words);

/** From so many characters on, the title is set in smaller letters. */
const LONG = 24;
const VERY_LONG = 60;

export function SignToPrint({ title, url }) {
  const [chosen, setChosen] = useState(language.get());
  const onPrint = () => {
    const page = document.createElement("div");
    page.className = "print-sign";
    render(html`<${Sign} title=${title} url=${url} code=${chosen} />`, page);
    printAlone(page, () => render(null, page));
  };
  return html`
    <section class="card stack" aria-label=${t("sign")}>
      <div><h2>${t("sign")}</h2><p class="soft">${t("signHelp")}</p></div>
      <div class="row row-apart">
        <div class="row" role="group" aria-label=${t("signLanguage")}>
          ${Object.entries(LANGUAGES).map(([code, name]) => html`<button key=${code} type="button" class=${`button${code === chosen ? " button-primary" : ""}`} lang=${code} aria-pressed=${code === chosen} onClick=${() => setChosen(code)}>${name}</button>`)}
        </div>
        <button type="button" class="button" disabled=${onlyHere(url)} onClick=${onPrint}><${Icon} name="print" /> ${t("printSign")}</button>
      </div>
      <div class="sign-preview"><${Sign} title=${title} url=${url} code=${chosen} /></div>
    </section>
  `;
}

/** `code` is the language; sizes follow from the width. */
function Sign({ title, url, code }) {
  const say = words[code];
  const size = title.length > VERY_LONG ? "sign sign-very-long" : title.length > LONG ? "sign sign-long" : "sign";
  return html`
    <div class="sign-frame">
      <article class=${size} lang=${code}>
        <p class="sign-title">${title}</p>
        <div class="sign-code"><${QrCode} text=${url} label=${t("qr")} /></div>
        <p class="sign-scan">${say.signScan}</p>
        <p class="sign-how">${say.signHow}</p>
        <p class="sign-link">${url.replace(/^https?:\/\//, "")}</p>
      </article>
    </div>
  `;
}
