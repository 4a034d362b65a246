// Show an assignment's due date in the toolbar above its notebook, in the reader's time zone.
//
// A JupyterLab extension without a build: the object at the end is what JupyterLab expects of a
// module that webpack has packed. The dates come from release/due.json (autograder release).
(function () {
  "use strict";
  const NAME = "autograder-due-dates";
  const WORDS = {
    en: { due: "Due", passed: "Was due" },
    ko: { due: "마감", passed: "마감됨" },
  };

  // The assignment is the folder that the notebook is in, and its language the folder above.
  function assignmentOf(path) {
    const parts = (path || "").split("/");
    if (parts.length < 2 || !parts[parts.length - 1].endsWith(".ipynb")) return null;
    const language = parts[parts.length - 3];
    return { name: parts[parts.length - 2], language: language in WORDS ? language : "en" };
  }

  async function dueDates(app) {
    try {
      const file = await app.serviceManager.contents.get("release/due.json", {
        content: true, format: "text", type: "file",
      });
      const dated = JSON.parse(file.content).assignments.filter((one) => one.due);
      return new Map(dated.map((one) => [one.name, new Date(one.due)]));
    } catch {
      return new Map(); // nothing has been released with a date
    }
  }

  function inWords(due, language, options) {
    return new Intl.DateTimeFormat(language, {
      month: "short", day: "numeric", hour: "numeric", minute: "2-digit", timeZoneName: "short",
      ...options,
    }).format(due);
  }

  function shown(due, language) {
    const now = new Date();
    const said = due < now ? WORDS[language].passed : WORDS[language].due;
    const time = document.createElement("time");
    time.dateTime = due.toISOString();
    const isThisYear = due.getFullYear() === now.getFullYear();
    time.textContent = inWords(due, language, isThisYear ? {} : { year: "numeric" });
    const words = document.createElement("span");
    words.style.cssText = "overflow: hidden; text-overflow: ellipsis; white-space: nowrap;";
    words.append(`${said}: `, time);
    const item = document.createElement("div");
    item.className = NAME;
    item.title = `${said}: ${inWords(due, language, { year: "numeric", weekday: "long" })}`;
    // In the toolbar's empty middle, so that no button moves.
    item.style.cssText =
      "position: absolute; inset: 0 8px; display: flex; align-items: center;" +
      "justify-content: flex-end;";
    item.append(words);
    return item;
  }

  function activate(app) {
    async function update() {
      const widget = app.shell.currentWidget;
      const assignment = assignmentOf(widget?.context?.path);
      if (!assignment || !widget.toolbar) return;
      const due = (await dueDates(app)).get(assignment.name);
      const toolbar = widget.toolbar.node;
      toolbar.querySelector(`.${NAME}`)?.remove();
      if (due && !Number.isNaN(due.getTime())) {
        const middle = toolbar.querySelector(".jp-Toolbar-spacer") || toolbar;
        middle.style.position = "relative";
        middle.append(shown(due, assignment.language));
      }
    }
    app.shell.currentChanged?.connect(update);
    app.restored.then(update);
  }

  const extension = { __esModule: true, default: { id: `${NAME}:plugin`, autoStart: true, activate } };
  self._JUPYTERLAB = self._JUPYTERLAB || {};
  self._JUPYTERLAB[NAME] = {
    init() {},
    get: () => Promise.resolve(() => extension),
  };
})();
