/* Keeps a failure of one part of the page to that part. */
import { Component, html } from "../lib/html.js";
import { translator } from "../lib/language.js";
import words from "../i18n/common.js";
import { Icon } from "./icon.js";

const t = translator(words);

/** Shows its children, or a notice in their place if they cannot be rendered. Give it a key: another key starts afresh. */
export class Boundary extends Component {
  constructor() {
    super();
    this.state = { failed: null };
  }

  componentDidCatch(error) {
    console.error(error);
    this.setState({ failed: error });
  }

  render({ children }, { failed }) {
    if (failed === null) return children;
    return html`
      <div class="error-notice" role="alert">
        <${Icon} name="alert" />
        <div><p>${t("partFailed")}</p><p class="soft" lang="en">${String(failed?.message ?? failed)}</p></div>
        <button type="button" class="button" onClick=${() => this.setState({ failed: null })}>${t("tryAgain")}</button>
      </div>
    `;
  }
}
