/* What can be done with a finished picture. */
import { Problem, address, get, me, request } from "../../lib/api.js";
import { html, useEffect, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { problemText } from "../../lib/messages.js";
import common from "../../i18n/common.js";
import words from "../../i18n/picture.js";
import { Icon } from "../icon.js";
import { printPicture } from "./print.js";
import { CopyLink, ShareButton, canShare } from "./share.js";

const t = translator(words);
const c = translator(common);

/**
 * `picture` as in the lightbox. `onAskErase` opens the question before it is erased; `busy` while that runs. `onChanged`
 * receives the picture as the API lists it, after its visibility was changed; `onFailure` a text, or null before an attempt.
 */
export function PictureActions({ picture, busy, onChanged, onFailure, onAskErase }) {
  const file = address(`/public/results/${picture.job_id}`);
  const onPrint = async () => {
    onFailure(null);
    try {
      await printPicture(file);
    } catch (error) {
      console.info("a picture could not be printed", error);
      onFailure(t("printFailed"));
    }
  };
  const mayWrite = me.get().permissions.includes("jobs:write");
  return html`
    <div class="lightbox-actions">
      <a class="button button-primary" href=${address(`/public/results/${picture.job_id}`, { download: 1 })} download><${Icon} name="download" /> ${c("download")}</a>
      <button type="button" class="button" onClick=${onPrint}><${Icon} name="print" /> ${t("print")}</button>
      ${canShare() && html`<${ShareButton} key=${picture.job_id} id=${picture.job_id} mime=${picture.mime} file=${file} link=${picture.link} />`}
      <${CopyLink} key=${`link-${picture.job_id}`} link=${picture.link} />
      ${mayWrite && !picture.isTest && html`<${Visibility} key=${`visibility-${picture.job_id}`} picture=${picture} onChanged=${onChanged} onFailure=${onFailure} />`}
      ${mayWrite && html`<button type="button" class="button button-danger" disabled=${busy} onClick=${onAskErase}><${Icon} name="trash" /> ${t("erase")}</button>`}
    </div>
  `;
}

/** Hides the picture from galleries or shows it again. The visibility is read where the list does not have it. */
function Visibility({ picture, onChanged, onFailure }) {
  const [own, setOwn] = useState(null);
  const [busy, setBusy] = useState(false);
  const visibility = picture.visibility ?? own;
  const attempt = async (act) => {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      onFailure(problemText(error));
    }
  };
  useEffect(() => {
    let over = false;
    if (picture.visibility === undefined && me.get().permissions.includes("jobs:read")) {
      attempt(async () => {
        const listed = await get(`/api/results/${picture.job_id}`);
        if (!over) setOwn(listed.visibility);
      });
    }
    return () => (over = true);
  }, []);
  if (!visibility) return null;
  const isHidden = visibility === "hidden";
  const onClick = async () => {
    onFailure(null);
    setBusy(true);
    await attempt(async () => {
      const { data } = await request("PUT", `/api/results/${picture.job_id}/visibility`, { json: { visibility: isHidden ? "shown" : "hidden" } });
      setOwn(data.visibility);
      onChanged(data);
    });
    setBusy(false);
  };
  return html`
    <button type="button" class="button" disabled=${busy} onClick=${onClick}><${Icon} name=${isHidden ? "show" : "hide"} /> ${t(isHidden ? "show" : "hide")}</button>
    <p class="soft lightbox-note" role="status">${t.of("visibility", visibility)}</p>
  `;
}
