/* Paper with one thing on it: `style/print.css` shows nothing else of the page. */

const ALONE = "print-alone";

/** Open the browser's print dialog with only this element. `after()` is called when it has been printed or left. */
export function printAlone(element, after = () => {}) {
  element.classList.add(ALONE);
  document.body.append(element);
  document.body.classList.add("prints-alone");
  const end = () => {
    element.remove();
    document.body.classList.remove("prints-alone");
    after();
  };
  addEventListener("afterprint", end, { once: true });
  print();
}

/** Print a picture, as large as the paper allows and turned as it is. Throws if it cannot be loaded. */
export async function printPicture(src) {
  const picture = new Image();
  picture.alt = "";
  picture.src = src;
  await picture.decode();
  picture.className = picture.naturalWidth > picture.naturalHeight ? "print-picture print-picture-wide" : "print-picture";
  printAlone(picture);
}
