/* Printing one picture: the style sheet for print shows nothing else. */

/** Open the browser's print dialog with only this picture. Throws if it cannot be loaded. */
export async function printPicture(src) {
  const picture = new Image();
  picture.className = "print-picture";
  picture.alt = "";
  picture.src = src;
  await picture.decode();
  document.body.append(picture);
  document.body.classList.add("prints-picture");
  const end = () => {
    picture.remove();
    document.body.classList.remove("prints-picture");
  };
  addEventListener("afterprint", end, { once: true });
  print();
}
