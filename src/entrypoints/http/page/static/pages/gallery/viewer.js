/* One picture in full: swipe, arrows or buttons; download, share or copy its link, or QR code. */
import { dateTime } from "../../lib/format.js";
import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { Dialog } from "../../parts/dialog.js";
import { Icon } from "../../parts/icon.js";
import { CopyLink, ShareButton, canShare } from "../../parts/picture/share.js";
import { QrCode } from "../../parts/qr.js";
import words from "../../i18n/gallery.js";
import { useKeys } from "./keys.js";
import { backToAll, turnTo } from "./view.js";

const t = translator(words);
const SWIPE_PX = 50;

/** `isLinked`: the list begins with the picture of a link, so its places are not those of the gallery. */
export function Viewer({ items, index, hasMore, more, isLinked = false }) {
  const one = items[index];
  const [coded, setCoded] = useState(false);
  const touched = useRef(null);
  const newer = items[index - 1];
  const older = items[index + 1];
  const step = (towards) => towards && turnTo(towards.id);

  useEffect(() => {
    for (const near of [newer, older]) if (near) new Image().src = near.full;
    if (!older && hasMore) more();
  }, [one.id, older?.id, hasMore]);
  useKeys((event) => {
    if (event.key === "ArrowLeft") step(newer);
    if (event.key === "ArrowRight") step(older);
  });
  const onTouchStart = (event) => {
    touched.current = event.touches.length === 1 ? event.touches[0] : null;
  };
  const onTouchEnd = (event) => {
    if (touched.current === null) return;
    const [end] = event.changedTouches;
    const across = end.clientX - touched.current.clientX;
    const along = end.clientY - touched.current.clientY;
    touched.current = null;
    if (Math.abs(across) > SWIPE_PX && Math.abs(across) > Math.abs(along)) step(across > 0 ? newer : older);
  };

  const title = isLinked ? t("pictureAt", { when: dateTime(one.completedAt) }) : t("pictureOf", { n: index + 1, all: `${items.length}${hasMore ? "+" : ""}` });
  return html`
    <${Dialog} title=${title} wide=${true} onClose=${backToAll}>
      <div class="viewer" onTouchStart=${onTouchStart} onTouchEnd=${onTouchEnd}>
        <div class="viewer-stage">
          <img key=${one.id} src=${one.full} width=${one.width} height=${one.height} alt=${isLinked ? title : t("picture", { n: index + 1 })} style=${{ backgroundImage: `url("${one.thumbnail}")` }} />
          <button type="button" class="button viewer-turn viewer-newer" aria-label=${t("newer")} disabled=${!newer} onClick=${() => step(newer)}><${Icon} name="left" /></button>
          <button type="button" class="button viewer-turn viewer-older" aria-label=${t("older")} disabled=${!older} onClick=${() => step(older)}><${Icon} name="right" /></button>
          ${coded && html`<figure class="viewer-code"><${QrCode} text=${one.link} label=${t("codeOfPicture")} /><figcaption>${t("scan")}</figcaption></figure>`}
        </div>
        <div class="viewer-ways">
          <a class="button button-primary" href=${one.file} download><${Icon} name="download" /> ${t("download")}</a>
          ${canShare() ? html`<${ShareButton} key=${one.id} id=${one.id} mime=${one.mime} file=${one.full} link=${one.link} />` : html`<${CopyLink} key=${one.id} link=${one.link} />`}
          <button type="button" class="button" aria-pressed=${coded} onClick=${() => setCoded(!coded)}><${Icon} name="slots" /> ${t("code")}</button>
        </div>
      </div>
    <//>
  `;
}
