// A kintone plug-in that asks for its licence the way Cybozu's article does ("kintoneプラグインの
// ライセンスを管理してプラグインの利用ドメインを制限する"): kintone.proxy, a POST with the page's
// host and the plug-in's id, and a look at `message`. Of the move to tegata it knows its URL.

(function (pluginId) {
  "use strict";

  var LICENSE_URL = "https://license.example.com/license";

  function say(text) {
    kintone.app.getHeaderMenuSpaceElement().textContent = text;
  }

  function askForLicense() {
    var question = { domain: window.location.hostname, pluginId: pluginId };
    var headers = { "Content-Type": "application/json" };
    return kintone.proxy(LICENSE_URL, "POST", headers, question).then(function (reply) {
      return JSON.parse(reply[0]);
    });
  }

  kintone.events.on("app.record.index.show", function (event) {
    return askForLicense().then(
      function (license) {
        if (license.message !== "Valid") {
          say("off: " + license.message);
        } else if (license.expirationDate) {
          say("on until " + license.expirationDate);
        } else {
          say("on");
        }
        return event;
      },
      function () {
        say("error");
        return event;
      },
    );
  });
})(kintone.$PLUGIN_ID);
