/* A place that a picture file can be dropped on. */
import { useState } from "../../lib/html.js";

/** `events` go onto the element, `over` is true while a file is held above it. Without `onFile` nothing can be dropped. */
export function useDrop(onFile) {
  const [over, setOver] = useState(false);
  if (!onFile) return { over: false, events: {} };
  const holdsFile = (event) => event.dataTransfer?.types.includes("Files");
  const events = {
    onDragOver: (event) => {
      if (!holdsFile(event)) return;
      event.preventDefault();
      setOver(true);
    },
    onDragLeave: () => setOver(false),
    onDrop: (event) => {
      setOver(false);
      const file = event.dataTransfer?.files[0];
      if (!file) return;
      event.preventDefault();
      onFile(file);
    },
  };
  return { over, events };
}
