/* Components that are rendered again only when one of their properties changes: long lists have many, of which few do. */
import { Component } from "./html.js";

/** The component `render(properties)`, for properties that are replaced, not changed, and that may hold hooks. */
export const memo = (render) =>
  class extends Component {
    shouldComponentUpdate(next) {
      return Object.keys({ ...next, ...this.props }).some((name) => next[name] !== this.props[name]);
    }

    render(properties) {
      return render(properties);
    }
  };
