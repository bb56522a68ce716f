// Elements with attributes, a parent and text, for what a page draws by itself.

const SVG = "http://www.w3.org/2000/svg";
export function svg(name, attributes, parent, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

export function html(name, attributes, parent, text) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

// A button that copies what `make` gives; where nothing may be copied, the text is shown instead.
export function copyButton(parent, make) {
  const words = "Copy as notebook cell";
  const button = html("button", { type: "button" }, parent, words);
  const look = { readonly: "", hidden: "", rows: 8, "aria-label": "the cell" };
  const shown = html("textarea", look, parent);
  button.addEventListener("click", async () => {
    shown.value = make();
    try {
      await navigator.clipboard.writeText(shown.value);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = words), 1500);
    } catch {
      shown.hidden = false;
      shown.focus();
      shown.select();
    }
  });
}

// What stands behind "name=" in an address; mailers and chats write its commas in their own way.
export function viewIn(hash, name) {
  const found = new RegExp(`^#?${name}=([^&]*)`).exec(hash);
  return found ? found[1].replace(/%2C/gi, ",").split(",") : [];
}
