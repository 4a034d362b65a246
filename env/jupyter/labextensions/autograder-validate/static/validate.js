// Say what Validate found in the notebook's language: questions by title, sentences and no code.
//
// A JupyterLab extension without a build: the object at the end is what JupyterLab expects of a
// module that webpack has packed. nbgrader's button stays; its click is answered here, by
// autograder/student/validate_button.py, instead of by nbgrader's window.
(function () {
  "use strict";
  const NAME = "autograder-validate";
  const FAILED = {
    en: ["Validation results", "JupyterLab can't reach its server; reload this page.", "Close"],
    ko: ["검사 결과", "JupyterLab이 서버에 연결하지 못합니다. 이 페이지를 새로 고치세요.", "닫기"],
  };
  let scope; // the modules that JupyterLab shares
  let isRunning = false;

  async function shared(name) {
    const [version] = Object.values(scope[name]);
    return (await version.get())();
  }

  function element(tag, text, children) {
    const made = document.createElement(tag);
    if (text) made.textContent = text;
    made.append(...(children || []));
    return made;
  }

  async function show(said) {
    const [{ Dialog, showDialog }, { Widget }] = await Promise.all(
      [shared("@jupyterlab/apputils"), shared("@lumino/widgets")],
    );
    const node = element("div", "", said.sentences.map((one) => element("p", one)));
    node.lang = said.language;
    node.className = `${NAME}-results`;
    node.style.maxWidth = "36em";
    for (const question of said.questions) {
      const lines = element("ul", "", question.lines.map((one) => element("li", one)));
      node.append(element("h3", question.title), lines);
    }
    await showDialog({
      title: said.title,
      body: new Widget({ node }),
      buttons: [Dialog.okButton({ label: said.button })],
    });
  }

  async function validate(app, panel) {
    const path = panel.context.path;
    const { ServerConnection } = await shared("@jupyterlab/services");
    const settings = app.serviceManager.serverSettings;
    let said;
    try {
      await panel.context.save();
      const answer = await ServerConnection.makeRequest(
        `${settings.baseUrl}autograder/validate`,
        { method: "POST", body: JSON.stringify({ path }) },
        settings,
      );
      if (!answer.ok) throw new Error(answer.statusText);
      said = await answer.json();
    } catch (error) {
      console.error(error);
      said = { success: false, value: "" };
    }
    if (said.success) return show(said.value);
    const language = path.split("/").includes("ko") ? "ko" : "en";
    const [title, sentence, button] = FAILED[language];
    const sentences = [said.value || sentence];
    return show({ title, button, language, sentences, questions: [] });
  }

  function activate(app) {
    function pressed(event) {
      const button = event.target.closest?.(".validate-button");
      if (!button || !event.isTrusted) return;
      if (event.type === "mousedown" && event.button !== 0) return;
      if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
      // Only the toolbar's: a notebook's text may call something in it a button of this class.
      const panel = [...app.shell.widgets("main")].find((one) => one.toolbar?.node.contains(button));
      if (!panel?.context) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      if (isRunning) return;
      isRunning = true;
      button.setAttribute("aria-busy", "true");
      button.style.opacity = "0.5";
      validate(app, panel).finally(() => {
        isRunning = false;
        button.removeAttribute("aria-busy");
        button.style.opacity = "";
      });
    }
    for (const type of ["mousedown", "click", "keydown"]) {
      document.addEventListener(type, pressed, true);
    }
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
