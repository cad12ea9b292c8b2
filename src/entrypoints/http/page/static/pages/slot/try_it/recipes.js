/* Recipes: a ready prompt with settings and a local fallback becomes the route of the draft. */
import { get } from "../../../lib/api.js";
import { html, useState } from "../../../lib/html.js";
import { language, translator } from "../../../lib/language.js";
import { useLoad } from "../../../lib/load.js";
import { findOperation } from "../../../lib/providers.js";
import { to } from "../../../lib/route.js";
import { Dialog } from "../../../parts/dialog.js";
import { Icon } from "../../../parts/icon.js";
import { namesOf } from "../../../parts/provider_names.js";
import { ErrorNotice, Loading } from "../../../parts/states.js";
import { toast } from "../../../parts/toasts.js";
import { settingLabel } from "../../../i18n/providers.js";
import words from "../../../i18n/try_it.js";
import { keyed } from "../draft.js";

const t = translator(words);
const NO_KEY = ["missing", "unreadable"];
const LOCAL = "";

/** A button that opens the recipes. The chosen one changes the draft, and its name if it has no steps yet. */
export function RecipeButton({ draft, providers, change }) {
  const [open, setOpen] = useState(false);
  const use = (recipe, route) => {
    setOpen(false);
    change({ route: route.map(keyed), ...(draft.route.length === 0 ? { name: recipe.name } : {}) });
    toast(t("recipeUsed", { name: recipe.name }));
  };
  return html`
    <button type="button" class="button" onClick=${() => setOpen(true)}><${Icon} name="plus" /> ${t("recipes")}</button>
    ${open && html`<${Recipes} providers=${providers} onUse=${use} onClose=${() => setOpen(false)} />`}
  `;
}

function Recipes({ providers, onUse, onClose }) {
  const { data, problem, again } = useLoad((signal) => get("/api/recipes", { query: { language: language.get() }, signal }), []);
  const [chosen, setChosen] = useState(null);
  const offered = [...new Set((data?.items ?? []).flatMap(({ steps }) => steps.map(({ provider_id }) => provider_id)))].filter((id) => providers.some((one) => one.id === id));
  const ready = offered.filter((id) => !NO_KEY.includes(providers.find((one) => one.id === id).key.state));
  const service = chosen ?? ready[0] ?? LOCAL;
  const names = namesOf(providers);
  return html`
    <${Dialog} title=${t("recipesTitle")} wide onClose=${onClose}>
      <div class="stack">
        <p class="soft">${t("recipesHelp")}</p>
        ${data === null && (problem ? html`<${ErrorNotice} problem=${problem} again=${again} />` : html`<${Loading} />`)}
        ${data !== null && html`
          <div class="field recipe-service">
            <label for="recipe-service">${t("madeBy")}</label>
            <select id="recipe-service" onChange=${(event) => setChosen(event.target.value)}>
              ${offered.map((id) => html`<option key=${id} value=${id} selected=${id === service}>${ready.includes(id) ? names.provider(id) : t("withoutKey", { name: names.provider(id) })}</option>`)}
              <option value=${LOCAL} selected=${service === LOCAL}>${t("onlyLocal")}</option>
            </select>
            ${!ready.includes(service) && html`<p class="help">${t(service === LOCAL ? "localOnly" : "keyNeeded")} ${ready.length === 0 && html`<a href=${`${to("settings")}?tab=secrets`}>${t("toKeys")}</a>`}</p>`}
          </div>
          <ul class="recipes">
            ${data.items.map((recipe) => html`<${Recipe} key=${recipe.id} recipe=${recipe} providers=${providers} service=${service} onUse=${(route) => onUse(recipe, route)} />`)}
          </ul>`}
      </div>
    <//>
  `;
}

/** What is chosen by name in the settings of a fallback, such as its look. */
const looks = ({ settings }) => Object.values(settings).filter((value) => typeof value === "string" && !value.startsWith("#")).map(settingLabel);

function Recipe({ recipe, providers, service, onUse }) {
  const step = recipe.steps.find(({ provider_id }) => provider_id === service);
  const steps = [...(step ? [step] : []), recipe.fallback];
  const { operation } = findOperation(providers, recipe.fallback);
  const fallback = [namesOf(providers).both(recipe.fallback.provider_id, recipe.fallback.operation_id), ...looks(recipe.fallback)].join(" · ");
  return html`
    <li class="recipe">
      <div><h3>${recipe.name}</h3><p>${recipe.description}</p></div>
      ${step && html`<details><summary>${t("prompt")}</summary><p>${recipe.prompt}</p></details>`}
      <p class="soft">${step ? t("fallbackOf", { name: fallback }) : fallback}</p>
      <button type="button" class="button" disabled=${!operation} aria-label=${t("useRecipe", { name: recipe.name })} onClick=${() => onUse(steps)}>${t("useIt")}</button>
    </li>
  `;
}
