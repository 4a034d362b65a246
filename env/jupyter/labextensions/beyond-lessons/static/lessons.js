// Keep the lessons' widgets usable: by screen reader, in a narrow window, and without their kernel.
//
// A JupyterLab extension without a build: the object at the end is what JupyterLab expects of a
// module that webpack has packed. What it shows comes from the outputs themselves: each widget
// of the course has its still form, in the lesson's language, as HTML beside it (PlainBox in
// notebooks/beyond/ui/widgets.py).
(function () {
  "use strict";
  const NAME = "beyond-lessons";
  const WIDGET = "application/vnd.jupyter.widget-view+json";
  const STILL = `${NAME}-still`;
  const REPLACED = `${NAME}-replaced`;
  const NARROW = 640; // CSS pixels; no room for the file browser beside a page
  const PATIENCE = 1500; // milliseconds for which a widget may be loading

  // Only for widgets that have no still form, such as a student's own.
  const AGAIN = {
    en: "To use this widget, run this cell again, after the cells above it.",
    ko: "이 위젯을 쓰려면 위의 셀들을 실행한 다음 이 셀을 다시 실행하세요.",
  };

  function again(path) {
    const parts = (path || "").split("/");
    return AGAIN[Object.keys(AGAIN).find((code) => parts.includes(code)) || "en"];
  }

  // Names for what ipywidgets draws without one.

  function nameControls(root) {
    for (const slider of root.querySelectorAll(".widget-slider")) {
      const label = slider.querySelector(".widget-label");
      const name = label && (label.title || label.textContent);
      for (const handle of slider.querySelectorAll("[role=slider]")) {
        if (name && handle.getAttribute("aria-label") !== name) {
          handle.setAttribute("aria-label", name);
        }
      }
    }
    for (const play of root.querySelectorAll(".widget-play")) {
      const words = play.closest(".widget-vbox")?.querySelector("[data-play]")?.dataset;
      if (!words) continue;
      for (const button of play.querySelectorAll("button")) {
        const isStop = button.querySelector(".fa-stop") !== null;
        const name = isStop ? words.stop : words.play;
        if (button.getAttribute("aria-label") !== name) button.setAttribute("aria-label", name);
      }
    }
    // What scrolls must be reachable by keyboard, and what doesn't needs no stop of its own.
    for (const one of root.querySelectorAll(`.beyond-widget .widget-html-content, .${STILL}`)) {
      if (one.scrollWidth > one.clientWidth) one.tabIndex = 0;
      else one.removeAttribute("tabindex");
    }
    for (const field of root.querySelectorAll(".widget-radio-box:not([role])")) {
      const named = field.closest("[title]");
      field.setAttribute("role", "radiogroup");
      if (named) field.setAttribute("aria-label", named.title);
    }
  }

  // The still form of a widget whose kernel is gone.

  function watch(panel) {
    const gone = new Set(); // ids of widgets whose kernel is gone
    const loading = new WeakMap(); // since when an output has been loading its widget
    let isDue = false;

    function* outputs() {
      for (const cell of panel.content.widgets) {
        const area = cell.outputArea;
        for (let i = 0; area && i < area.model.length; i += 1) {
          const model = area.model.get(i);
          const id = model.data[WIDGET]?.model_id;
          const node = area.widgets[i]?.node.querySelector(":scope > .jp-OutputArea-output");
          if (id) yield { id, model, node };
        }
      }
    }

    function isStuck(node) {
      if (node.querySelector(".widget-box, .jupyter-widgets")) return false;
      const text = node.textContent;
      if (text.startsWith("Error displaying widget")) return true;
      if (!text.startsWith("Loading widget")) return false;
      if (!loading.has(node)) loading.set(node, Date.now());
      if (Date.now() - loading.get(node) >= PATIENCE) return true;
      setTimeout(later, PATIENCE);
      return false;
    }

    function show({ model, node }) {
      const still = document.createElement("div");
      still.className = STILL;
      node.after(still);
      node.classList.add(REPLACED);
      if (model.data["text/html"]) {
        const drawn = panel.content.rendermime.createRenderer("text/html");
        still.append(drawn.node);
        drawn.renderModel(model);
      } else {
        const said = document.createElement("p");
        said.textContent = again(panel.context.path);
        still.append(said);
      }
    }

    function refresh() {
      isDue = false;
      if (panel.isDisposed) return;
      nameControls(panel.content.node);
      for (const output of outputs()) {
        const { id, node } = output;
        if (!node) continue; // not drawn yet
        const isGone =
          gone.has(id) || isStuck(node) || node.querySelector(".jupyter-widgets-disconnected");
        const still = node.parentNode.querySelector(`:scope > .${STILL}`);
        if (isGone && !still) show(output);
        if (!isGone && still) {
          still.remove();
          node.classList.remove(REPLACED);
        }
      }
    }

    function later() {
      if (isDue) return;
      isDue = true;
      setTimeout(refresh, 50);
    }

    function lose() {
      for (const { id } of outputs()) gone.add(id);
      later();
    }

    const session = panel.sessionContext;
    session.kernelChanged.connect((_, { oldValue, newValue }) => {
      if (oldValue && oldValue.id !== newValue?.id) lose();
    });
    session.statusChanged.connect((_, status) => {
      if (["restarting", "autorestarting", "terminating", "dead"].includes(status)) lose();
    });
    new MutationObserver(later).observe(panel.content.node, {
      attributeFilter: ["class"], childList: true, subtree: true,
    });
    new ResizeObserver(later).observe(panel.content.node);
    later();
  }

  const STYLE = `
    .${REPLACED} { display: none !important; }
    .${STILL} { flex: 1 1 auto; min-width: 0; overflow: auto; }
    .${STILL} > * { padding-right: 0 !important; }
    body[data-jp-theme-light="false"] .beyond-themed { filter: invert(0.93) hue-rotate(180deg); }
  `;

  function activate(app) {
    const style = document.createElement("style");
    style.textContent = STYLE;
    document.head.append(style);
    const known = new WeakSet();
    function find() {
      for (const one of app.shell.widgets("main")) {
        if (!one.sessionContext || !one.content?.rendermime || known.has(one)) continue;
        known.add(one);
        watch(one);
      }
    }
    app.shell.layoutModified?.connect(find);
    app.shell.currentChanged?.connect(find);
    app.restored.then(() => {
      if (window.innerWidth < NARROW) app.shell.collapseLeft?.();
      find();
    });
  }

  const extension = { __esModule: true, default: { id: `${NAME}:plugin`, autoStart: true, activate } };
  self._JUPYTERLAB = self._JUPYTERLAB || {};
  self._JUPYTERLAB[NAME] = {
    init() {},
    get: () => Promise.resolve(() => extension),
  };
})();
