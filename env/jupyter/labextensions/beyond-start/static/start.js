// Show the start page in the chosen language, with what is done and what is next.
//
// A JupyterLab extension without a build: the object at the end is what JupyterLab expects of a
// module that webpack has packed. The page opens in place of the course's START.md, wherever that
// is opened; notebooks/beyond/ui/start_page.py makes it. Where it can't be had, START.md is shown.
(function () {
  "use strict";
  const NAME = "beyond-start";
  const FACTORY = "Start page";
  const PLAIN = "Markdown Preview";
  const PLACES = ["notebooks/START.md", "work/START.md"];
  let scope; // the modules that JupyterLab shares

  async function shared(name) {
    const [version] = Object.values(scope[name]);
    return (await version.get())();
  }

  function inWords(time, language) {
    const date = new Date(time.dateTime);
    const isThisYear = date.getFullYear() === new Date().getFullYear();
    time.textContent = new Intl.DateTimeFormat(language, {
      weekday: "short", month: "short", day: "numeric", hour: "numeric", minute: "2-digit",
      timeZoneName: "short", ...(isThisYear ? {} : { year: "numeric" }),
    }).format(date);
  }

  const STYLE = `
    .${NAME} {
      overflow: auto; background: var(--jp-layout-color0); color: var(--jp-content-font-color1);
      font-family: var(--jp-content-font-family); font-size: var(--jp-content-font-size1);
    }
    .${NAME} article { max-width: 46em; margin: 0 auto; padding: 1.5em 1.25em 4em; line-height: 1.5; }
    .${NAME} :lang(ko) { word-break: keep-all; overflow-wrap: anywhere; }
    .${NAME} h1 { font-size: 1.4em; margin: 0; }
    .${NAME} h2 { font-size: 1.3em; margin: 2em 0 0.25em; }
    .${NAME} h3 { font-size: 1em; margin: 0; }
    .${NAME} p { margin: 0.25em 0; }
    .${NAME} code { font-family: var(--jp-code-font-family); font-size: 0.9em; overflow-wrap: anywhere; }
    .${NAME} a { color: var(--jp-content-link-color); text-decoration: underline; }
    .${NAME} h3 a { text-decoration: none; }
    .${NAME} h3 a:hover { text-decoration: underline; }
    .${NAME} ol, .${NAME} ul { list-style: none; margin: 0.5em 0; padding: 0; }
    .${NAME} li { position: relative; padding: 0.7em 0 0.7em 2em; }
    .${NAME} li + li { border-top: 1px solid var(--jp-border-color2); }
    .${NAME} li::before {
      position: absolute; left: 0; width: 1.4em; text-align: center; font-weight: bold;
      content: "○" / ""; color: var(--jp-ui-font-color2);
    }
    .${NAME} .${NAME}-begun::before { content: "◐" / ""; color: var(--jp-ui-font-color1); }
    .${NAME} .${NAME}-done::before { content: "✓" / ""; color: var(--jp-ui-font-color1); }
    .${NAME} .${NAME}-facts, .${NAME} .${NAME}-count { color: var(--jp-ui-font-color2); }
    .${NAME}-top {
      display: flex; flex-wrap: wrap; gap: 0.5em 1em; align-items: center;
      justify-content: space-between; margin-bottom: 1em;
    }
    .${NAME} button {
      font: inherit; padding: 0.35em 0.9em; min-height: 2em; cursor: pointer; border-radius: 4px;
      border: 1px solid var(--jp-ui-font-color2); background: transparent;
      color: var(--jp-ui-font-color1);
    }
    .${NAME}-top button:first-child { border-radius: 4px 0 0 4px; }
    .${NAME}-top button:last-child { border-radius: 0 4px 4px 0; border-left: 0; }
    .${NAME} button[aria-pressed="true"], .${NAME}-choice button, .${NAME} .${NAME}-go {
      background: var(--jp-ui-font-color1); color: var(--jp-ui-inverse-font-color1);
      border-color: transparent;
    }
    .${NAME} .${NAME}-next {
      margin: 1em 0; padding: 1.5em; border-radius: 8px; border: 2px solid var(--jp-ui-font-color2);
    }
    .${NAME} .${NAME}-label { font-weight: bold; }
    .${NAME} .${NAME}-next h2 { font-size: 2.1em; line-height: 1.2; margin: 0 0 0.3em; }
    .${NAME} .${NAME}-go {
      display: inline-block; margin-top: 0.8em; padding: 0.5em 1.6em; border-radius: 4px;
      font-size: 1.3em; font-weight: bold; text-decoration: none;
    }
    .${NAME} .${NAME}-choice { padding-top: 12vh; text-align: center; }
    .${NAME} .${NAME}-choice p { font-size: 1.3em; margin: 1em 0; }
    .${NAME}-languages { display: flex; flex-wrap: wrap; gap: 1em; justify-content: center; }
    .${NAME} .${NAME}-choice button { font-size: 1.6em; padding: 0.6em 1.4em; }
    .${NAME} details { margin-top: 1.5em; border-top: 1px solid var(--jp-border-color2); }
    .${NAME} summary { cursor: pointer; padding-top: 0.7em; }
    .${NAME} summary h2 { display: inline; margin: 0; font-size: 1.1em; }
    .${NAME} :is(a, button, summary):focus-visible {
      outline: 3px solid var(--jp-content-link-color); outline-offset: 2px;
    }
  `;

  async function activate(app) {
    const [{ MainAreaWidget }, { ABCWidgetFactory }, { ServerConnection }, { Widget }] =
      await Promise.all(
        ["@jupyterlab/apputils", "@jupyterlab/docregistry", "@jupyterlab/services", "@lumino/widgets"]
          .map(shared),
      );
    const settings = app.serviceManager.serverSettings;

    async function asked(language) {
      const how = language ? { method: "POST", body: JSON.stringify({ language }) } : {};
      const address = `${settings.baseUrl}beyond/start`;
      const answer = await ServerConnection.makeRequest(address, how, settings);
      if (!answer.ok) throw new Error(answer.statusText);
      return answer.json();
    }

    class Page extends Widget {
      constructor(path) {
        super();
        this.path = path;
        this.addClass(NAME);
        this.node.addEventListener("click", (event) => this.clicked(event));
        this.returned = () => this.isVisible && !document.hidden && this.refresh();
        document.addEventListener("visibilitychange", this.returned);
      }

      dispose() {
        document.removeEventListener("visibilitychange", this.returned);
        super.dispose();
      }

      onAfterShow() {
        this.refresh();
      }

      onAfterAttach() {
        this.refresh();
      }

      // The link or button in focus, so that it can have it again.
      onActivateRequest() {
        if (!this.node.contains(document.activeElement)) this.node.focus();
      }

      async refresh(language) {
        let told;
        try {
          told = await asked(language);
        } catch (error) {
          console.error(error);
          if (!this.shown) this.giveUp();
          return;
        }
        if (this.isDisposed || told.html === this.shown) return;
        this.shown = told.html;
        this.show(told, language);
      }

      show(told, language) {
        const node = this.node;
        const top = node.scrollTop;
        const reached = [...node.querySelectorAll("a, button, summary")];
        const focused = reached.indexOf(document.activeElement);
        const open = [...node.querySelectorAll("details")].map((one) => one.open);
        node.innerHTML = told.html; // its texts are escaped where it is made
        for (const time of node.querySelectorAll("time")) inWords(time, told.language);
        node.querySelectorAll("details").forEach((one, i) => { one.open = open[i] || false; });
        node.scrollTop = top;
        this.title.label = told.label;
        if (this.parent) {
          this.parent.title.label = told.label;
          this.parent.title.caption = told.label;
        }
        const again = language
          ? node.querySelector(`[data-language="${language}"]`)
          : focused >= 0 && node.querySelectorAll("a, button, summary")[focused];
        if (again) again.focus({ preventScroll: true });
      }

      clicked(event) {
        const one = event.target.closest("a, button");
        if (!one || event.ctrlKey || event.metaKey || event.shiftKey) return;
        const { path, language, command } = one.dataset;
        if (!path && !language && !command) return;
        event.preventDefault();
        event.stopPropagation();
        if (language) this.refresh(language);
        else if (command) app.commands.execute(command);
        else app.commands.execute("docmanager:open", { path });
      }

      giveUp() {
        app.commands.execute("docmanager:open", { path: this.path, factory: PLAIN });
        (this.parent || this).close();
      }
    }

    class StartPageFactory extends ABCWidgetFactory {
      createNewWidget(context) {
        const content = new Page(context.path);
        const made = new MainAreaWidget({ content });
        made.title.label = "START.md";
        made.toolbar.hide();
        // What JupyterLab asks of the widget of a document. It isn't a DocumentWidget, which would
        // rename the file after the tab.
        made.context = context;
        made.isUntitled = false;
        made.setFragment = () => {};
        if (!PLACES.includes(context.path)) setTimeout(() => content.giveUp(), 0);
        return made;
      }
    }

    const style = document.createElement("style");
    style.textContent = STYLE;
    document.head.append(style);
    app.docRegistry.addFileType({
      name: NAME, displayName: FACTORY, extensions: [], pattern: "^START\\.md$",
      mimeTypes: ["text/markdown"], fileFormat: "text", contentType: "file",
      icon: app.docRegistry.getFileType("markdown")?.icon,
    });
    app.docRegistry.addWidgetFactory(new StartPageFactory({
      name: FACTORY, modelName: "text", fileTypes: [NAME], defaultFor: [NAME], readOnly: true,
    }));
  }

  const extension = { __esModule: true, default: { id: `${NAME}:plugin`, autoStart: true, activate } };
  self._JUPYTERLAB = self._JUPYTERLAB || {};
  self._JUPYTERLAB[NAME] = {
    init(modules) {
      scope = modules;
    },
    get: () => Promise.resolve(() => extension),
  };
})();
