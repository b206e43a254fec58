//! The report of a search in a browser: Chromium without a screen, driven over its DevTools protocol.

use crate::skipped::skipped;
use crate::{TINY, search, wait_for};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A browser with one page. Its messages end with a zero byte.
struct Browser {
    _child: Ends,
    commands: ChildStdin,
    messages: BufReader<ChildStdout>,
    session: Value,
    number: u64,
    /// What it reported besides the answers.
    events: Vec<Value>,
}

impl Browser {
    /// `None` if there is no Chromium.
    fn open(profile: &Path) -> Option<Self> {
        if !Command::new("chromium").arg("--version").output().is_ok_and(|output| output.status.success()) {
            skipped("there is no chromium");
            return None;
        }
        // The protocol is spoken on the file descriptors 3 and 4.
        let start = "exec chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --window-size=1200,900 \
                     --remote-debugging-pipe --user-data-dir=\"$0\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";
        let mut command = Command::new("sh");
        command.args(["-c", start]).arg(profile).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (commands, messages) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut browser =
            Self { _child: Ends(child), commands, messages, session: Value::Null, number: 0, events: Vec::new() };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].take();
        let attached = browser.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.session = attached["sessionId"].clone();
        for domain in ["Runtime", "Log", "Network", "Page"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut command = json!({ "id": self.number, "method": method, "params": parameters });
        if !self.session.is_null() {
            command["sessionId"] = self.session.clone();
        }
        write!(self.commands, "{command}\0").unwrap();
        loop {
            let mut message = Vec::new();
            self.messages.read_until(0, &mut message).unwrap();
            assert_eq!(message.pop(), Some(0), "the browser has gone");
            let mut message: Value = serde_json::from_slice(&message).unwrap();
            if message["id"] == self.number {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
            self.events.push(message);
        }
    }

    /// The value of an expression on the page.
    fn value(&mut self, expression: &str) -> Value {
        let result = self.call("Runtime.evaluate", json!({ "expression": expression, "returnByValue": true }));
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true. While a page is loaded, none is.
    fn wait(&mut self, expression: &str) {
        for _ in 0..600 {
            if self.value(expression) == true {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{expression} stays false");
    }

    /// Moves the pointer to the middle of an element, and clicks.
    fn click(&mut self, selector: &str) {
        let place = self.place(selector);
        for kind in ["mousePressed", "mouseReleased"] {
            let button = json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", button);
        }
    }

    fn place(&mut self, selector: &str) -> Value {
        let element = format!("document.querySelector(`{selector}`)");
        self.value(&format!("{element}.scrollIntoView({{ block: 'center', behavior: 'instant' }})"));
        let place = self.value(&format!(
            "(() => {{ const box = {element}.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2] }})()"
        ));
        self.call("Input.dispatchMouseEvent", json!({ "type": "mouseMoved", "x": place[0], "y": place[1] }));
        place
    }

    fn key(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.call("Input.dispatchKeyEvent", json!({ "type": kind, "key": key, "code": key }));
        }
    }
}

/// A process that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const TIP: &str = "document.getElementById('tip').textContent";
const NETS: &str = "[...document.querySelectorAll('#nets tbody tr:not([hidden])')]";

#[test]
fn a_report_tells_sorts_filters_and_follows_its_search() {
    let place = tempfile::tempdir().unwrap();
    let Some(mut browser) = Browser::open(&place.path().join("profile")) else { return };
    let runs = place.path().join("runs");
    let mut long = search();
    long.args(TINY).args(["--schedule", "1.0:5000", "--cache", "off", "--runs"]).arg(&runs);
    let mut child = Ends(long.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let run = wait_for(&runs, "report.html", "<tr><td class=\"n\">30</td>", 1);
    let address = format!("file://{}", run.join("report.html").display());
    browser.call("Page.navigate", json!({ "url": address }));
    browser.wait("document.readyState === 'complete' && !!document.getElementById('nets')");

    // Pointing at a point, and walking along the points.
    let circle = "figure svg .points circle";
    browser.place(circle);
    let told = browser.value(TIP);
    let told = told.as_str().unwrap();
    assert!(told.starts_with("architecture 1, ε = 1.0, q-learning\nreward 0."), "{told}");
    assert!(told.contains(" multiply-adds, ") && told.ends_with("SM(10)]"), "{told}");
    browser.value(&format!("document.querySelector(`{circle}`).focus()"));
    browser.key("ArrowRight");
    assert!(browser.value(TIP).as_str().unwrap().starts_with("architecture 2, "));
    browser.key("Escape");
    assert_eq!(browser.value("document.getElementById('tip').hidden"), true);
    browser.value("document.activeElement.blur()");

    // The fewest multiply-adds first, and of those only some.
    browser.value("window.sameDocument = true");
    browser.click("#nets th:nth-child(7) button");
    browser.click("#nets th:nth-child(7) button");
    assert_eq!(browser.value("document.querySelector('#nets th:nth-child(7)').ariaSort"), "ascending");
    let costs = format!("{NETS}.map(row => Number(row.cells[6].title))");
    let rising = |browser: &mut Browser| {
        let costs: Vec<u64> = serde_json::from_value(browser.value(&costs)).unwrap();
        assert!(costs.len() > 1 && costs.is_sorted(), "{costs:?}");
        costs.len()
    };
    let all = rising(&mut browser);
    browser.click("#filter");
    browser.call("Input.insertText", json!({ "text": "◆ c(" }));
    assert!(rising(&mut browser) < all);
    let top = browser.value("scrollY");
    assert!(top.as_f64().unwrap() > 500.0, "{top}");

    // It is loaded again, and looks as its reader left it.
    browser.wait("window.sameDocument === undefined && document.readyState === 'complete'");
    browser.wait(&format!("Math.abs(scrollY - {top}) < 2"));
    assert_eq!(browser.value("document.activeElement.value"), "◆ c(");
    assert_eq!(browser.value("document.querySelector('#nets th:nth-child(7)').ariaSort"), "ascending");
    rising(&mut browser);

    // A finished search is not.
    assert!(Command::new("kill").arg(child.0.id().to_string()).status().unwrap().success());
    child.0.wait().unwrap();
    browser.wait("!!document.body && document.body.dataset.reload === undefined && document.readyState === 'complete'");
    assert_eq!(
        browser.value("document.querySelector('.subtitle').textContent"),
        "Deep-prior architecture search: interrupted"
    );

    let reported = |event: &&Value| match event["method"].as_str() {
        Some("Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded") => true,
        Some("Network.requestWillBeSent") => event["params"]["request"]["url"] != address.as_str(),
        _ => false,
    };
    let reported: Vec<&Value> = browser.events.iter().filter(reported).collect();
    assert!(reported.is_empty(), "{reported:?}");
    let loads = browser.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent").count();
    assert!(loads >= 3, "{loads} loads");
}
