"""A function's real binary, run once under a Runtime API of ours."""

import http.server
import json
import os
import subprocess
import threading
import time


def invoke(binary, event, environment, name="function"):
    """Gives `event` (bytes) to the binary; returns its answer and the lines of JSON that it wrote."""
    answer, lines = run(binary, event, environment, name, lambda: False)
    path, body = answer or ("no answer", "{}")
    assert path.endswith("/response"), (path, body, lines)
    return json.loads(body), [json.loads(line) for line in lines]


def kill(binary, event, environment, when, name="function"):
    """Gives `event` to the binary and kills it when `when()` holds, which has to be before it answers."""
    answer, lines = run(binary, event, environment, name, when)
    assert answer is None and when(), (answer, lines)


def run(binary, event, environment, name, is_over):
    """Runs the binary until it has answered or `is_over()` holds, at most a minute."""
    state = {"answer": None, "given": False}

    class RuntimeApi(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if state["given"]:
                time.sleep(60)
                return
            state["given"] = True
            deadline = int((time.time() + 120) * 1000)
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", "1")
            self.send_header("Lambda-Runtime-Deadline-Ms", str(deadline))
            self.send_header(
                "Lambda-Runtime-Invoked-Function-Arn", f"arn:aws:lambda:local:0:function:{name}"
            )
            self.send_header("Content-Length", str(len(event)))
            self.end_headers()
            self.wfile.write(event)

        def do_POST(self):
            length = int(self.headers.get("Content-Length", 0))
            state["answer"] = (self.path, self.rfile.read(length).decode())
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RuntimeApi)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    of_lambda = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_LOG_GROUP_NAME": name,
        "AWS_LAMBDA_LOG_STREAM_NAME": name,
    }
    process = subprocess.Popen(
        [binary], env={**os.environ, **of_lambda, **environment}, stdout=subprocess.PIPE, text=True
    )
    started = time.time()
    while state["answer"] is None and not is_over() and process.poll() is None:
        if time.time() - started > 60:
            break
        time.sleep(0.02)
    process.kill()
    lines = process.communicate()[0].splitlines()
    server.shutdown()
    return state["answer"], lines
