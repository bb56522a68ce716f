// Measures an open page; every list names what is wrong. Folded parts are unfolded first.
() => {
  document.querySelectorAll("main details").forEach((part) => { part.open = true; });
  document.querySelectorAll("main .toggle-hidden").forEach((part) => {
    part.classList.remove("toggle-hidden");
  });
  const main = document.querySelector("main");
  const words = (node) => node.textContent.trim().replace(/\s+/g, " ").slice(0, 70);
  const name = (node) => `${node.tagName.toLowerCase()}.${node.className} "${words(node)}"`;
  const laidOut = (node) => node.checkVisibility({ visibilityProperty: true })
    && node.getClientRects().length > 0;
  const scrolls = (node) => ["auto", "scroll"].includes(getComputedStyle(node).overflowX);
  const scroller = (node) => {
    for (let box = node; box && box !== main; box = box.parentElement) {
      if (scrolls(box)) return box;
    }
    return null;
  };

  const unset = [];
  for (const node of main.querySelectorAll("mjx-container")) {
    if (!laidOut(node)) continue;
    if (node.querySelector("mjx-merror, [data-mjx-error]")) unset.push(name(node));
    if (/\\[a-zA-Z]/.test(node.querySelector("mjx-math")?.textContent ?? "")) unset.push(name(node));
  }
  for (const node of main.querySelectorAll(".math")) {
    if (laidOut(node) && !node.querySelector("mjx-container")) unset.push(name(node));
  }
  const texts = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode;
    if (node.parentElement.closest("pre, code, script, style, mjx-container, annotation")) continue;
    if (/\\(begin|end|tag|frac|mathbf|varphi|bar|text)\b|\\[()[\]]|\$[^$\n]+\$|[\x00-\x08]/.test(
      node.textContent,
    )) unset.push(`raw: ${words(node)}`);
  }

  // A box whose content is wider than itself scrolls (fit for a phone) or is cut (fit for nobody).
  const scrolled = [];
  const cut = [];
  const edge = document.documentElement.clientWidth;
  const boxes = "p, li, dt, dd, pre, table, td, th, figure, figcaption, img, h1, h2, h3, h4, "
    + ".cell_output, .output, .cell_input, .highlight, .jupyter-widgets, .admonition, mjx-container, "
    + "div.math, .pst-scrollable-table-container";
  for (const node of main.querySelectorAll(boxes)) {
    // the slider's handle stands across its ends, and formulas keep a copy for screen readers
    if (!laidOut(node) || node.closest("mjx-assistive-mml, .widget-slider, .bd-header-article")) {
      continue;
    }
    const style = getComputedStyle(node);
    const over = node.clientWidth && node.scrollWidth > node.clientWidth + 1;
    if (over && scrolls(node)) {
      scrolled.push(`${node.scrollWidth} px in ${node.clientWidth}: ${name(node)}`);
    } else if (over && ["hidden", "clip"].includes(style.overflowX)) {
      cut.push(`${node.scrollWidth} px in ${node.clientWidth}: ${name(node)}`);
    }
    if (node.getBoundingClientRect().right > edge + 1 && !scroller(node)) {
      cut.push(`ends at ${Math.round(node.getBoundingClientRect().right)} of ${edge}: ${name(node)}`);
    }
  }

  // A word of a table's cell on two lines.
  const broken = [];
  for (const cell of main.querySelectorAll("td, th")) {
    const inside = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (inside.nextNode()) {
      const node = inside.currentNode;
      if (node.parentElement.closest("mjx-container") || !laidOut(node.parentElement)) continue;
      for (const word of node.textContent.matchAll(/[\p{L}\p{N}]+/gu)) {
        const range = document.createRange();
        range.setStart(node, word.index);
        range.setEnd(node, word.index + word[0].length);
        const lines = new Set([...range.getClientRects()].map((line) => Math.round(line.top)));
        if (lines.size > 1) broken.push(`${word[0]} in "${words(cell)}"`);
      }
    }
  }

  // A button that waits for a kernel.
  const dead = [...main.querySelectorAll(
    ".cell_output button:not(.copybtn), .jupyter-widgets button",
  )].map(name);
  for (const node of main.querySelectorAll(".cell_output")) {
    if (/needs a kernel|with a kernel|open this notebook/i.test(node.innerText)) dead.push(name(node));
  }

  const meta = (key) => document.head.querySelector(
    `meta[name="${key}"], meta[property="${key}"]`,
  )?.content ?? "";
  return {
    unset,
    scrolled,
    cut,
    broken,
    dead,
    pageWidth: [document.documentElement.scrollWidth, edge],
    brokenPictures: [...document.images].filter((i) => i.complete && !i.naturalWidth)
      .map((i) => i.src.slice(0, 120)),
    speechlessPictures: [...main.querySelectorAll("img")].filter((i) => !i.alt.trim())
      .map((i) => i.src.slice(0, 120)),
    icons: [...document.head.querySelectorAll('link[rel~="icon"]')].map((link) => link.href),
    fonts: [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]
      .filter((rule) => rule instanceof CSSFontFaceRule)
      .flatMap((rule) => [...rule.cssText.matchAll(/url\("([^"]+\.woff2)"\)/g)])
      .map(([, address]) => new URL(address, sheet.href ?? document.baseURI).href)),
    tags: Object.fromEntries(
      ["description", "og:title", "og:description", "og:type", "og:image", "og:image:alt"]
        .map((key) => [key, meta(key)]),
    ),
  };
}
