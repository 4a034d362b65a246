// Say how to submit where nbgrader's Assignment List has no course to show.
//
// A JupyterLab extension without a build: the object at the end is what JupyterLab expects of a
// module that webpack has packed. The list has no language of its own, so both are there, as on
// the start page.
(function () {
  "use strict";
  const NAME = "autograder-submitting";
  const NOTHING = "No courses found.";
  const WORDS = {
    en: [
      "No assignment has been released through this list, so submit your work like this: run ",
      "autograder submit work/en/quiz --student YOUR-ID",
      " in a terminal (File → New → Terminal), with your assignment's folder and your ID, and " +
        "upload the zip to your course's site.",
    ],
    ko: [
      "이 목록으로 배포된 과제가 없으므로 다음과 같이 제출하세요. 터미널(File → New → Terminal)에서 ",
      "autograder submit work/ko/quiz --student YOUR-ID",
      " 명령을 과제의 폴더와 자신의 ID로 바꾸어 실행하고, 만들어진 zip 파일을 수업 사이트에 올립니다.",
    ],
  };

  function note() {
    const made = document.createElement("div");
    made.className = NAME;
    made.setAttribute("role", "status");
    made.style.cssText = "padding: 8px; max-width: 60em; white-space: normal;";
    for (const [language, [before, command, after]] of Object.entries(WORDS)) {
      const line = document.createElement("p");
      line.lang = language;
      const code = document.createElement("code");
      code.textContent = command;
      line.append(before, code, after);
      made.append(line);
    }
    return made;
  }

  function update() {
    const course = document.getElementById("course_list_default");
    const toolbar = course?.closest(".list_toolbar");
    if (!toolbar) return;
    const isEmpty = course.textContent.trim() === NOTHING;
    const told = toolbar.parentNode.querySelector(`:scope > .${NAME}`);
    if (isEmpty === Boolean(told)) return;
    for (const one of [document.getElementById("assignments_list_info"), course.parentNode]) {
      if (one) one.style.display = isEmpty ? "none" : "";
    }
    if (isEmpty) toolbar.before(note());
    else told.remove();
  }

  function activate(app) {
    const watched = new WeakSet();
    function find() {
      for (const one of app.shell.widgets("main")) {
        if (watched.has(one) || !one.node.querySelector("#course_list_default")) continue;
        watched.add(one);
        new MutationObserver(update).observe(one.node, { childList: true, subtree: true });
        update();
      }
    }
    app.shell.layoutModified?.connect(find);
    app.shell.currentChanged?.connect(find);
    app.restored.then(find);
  }

  const extension = { __esModule: true, default: { id: `${NAME}:plugin`, autoStart: true, activate } };
  self._JUPYTERLAB = self._JUPYTERLAB || {};
  self._JUPYTERLAB[NAME] = {
    init() {},
    get: () => Promise.resolve(() => extension),
  };
})();
