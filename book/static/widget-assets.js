// Read after RequireJS and before the widget manager, on pages that show widgets.

// The manager's fonts lie beside it, not at a public server and not in the folder of the page. Both
// its parts bring a style sheet that names them, each with an address from where it thinks it lies.
const scripts = new URL("page-scripts", document.currentScript.src).href;
require.config({
  paths: {
    "@jupyter-widgets": scripts,
    "@jupyter-widgets/html-manager/dist": scripts,
  },
});

// The manager asks for formulas in its labels as MathJax 2 wanted it; the book has MathJax 3, which
// keeps nothing of this object but its settings, so it is given the same again once it is there.
const hub = {
  Queue(...jobs) {
    for (const [verb, , element] of jobs) {
      if (verb === "Typeset" && window.MathJax.typesetPromise) {
        window.MathJax.startup.promise.then(() => window.MathJax.typesetPromise([element]));
      }
    }
  },
};
window.MathJax = {
  ...window.MathJax,
  Hub: hub,
  startup: {
    ready() {
      window.MathJax.startup.defaultReady();
      window.MathJax.Hub = hub;
    },
  },
};
