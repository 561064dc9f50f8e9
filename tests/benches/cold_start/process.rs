//! A function's process: started with its variables, watched through `/proc`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// A program to measure.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    arguments: Vec<String>,
    name: &'static str,
    variables: Vec<(String, String)>,
}

/// A control group that limits its processes to a share of a core.
pub(crate) struct CpuShare {
    directory: PathBuf,
}

/// A running program; killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) started: Instant,
}

impl Program {
    pub(crate) fn new(name: &'static str, path: PathBuf, variables: &[(String, String)]) -> Self {
        Self {
            path,
            arguments: Vec::new(),
            name,
            variables: variables.to_vec(),
        }
    }

    pub(crate) fn with_arguments<'a>(mut self, arguments: impl Iterator<Item = &'a str>) -> Self {
        self.arguments = arguments.map(str::to_owned).collect();
        self
    }

    pub(crate) fn start(&self, runtime_api: &str, share: Option<&CpuShare>) -> Process {
        let mut command = match share {
            None => Command::new(&self.path),
            // The shell joins the group, which takes the kernel a while, says so, waits for its
            // start, and becomes the program.
            Some(share) => {
                let mut shell = Command::new("/bin/sh");
                let procs = share.directory.join("cgroup.procs");
                shell
                    .args([
                        "-c",
                        r#"echo $$ > "$0"; echo; read go; exec "$1" > /dev/null"#,
                    ])
                    .arg(procs)
                    .arg(&self.path);
                shell
            }
        };
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("PATH", "/usr/bin:/bin")
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
            .env("AWS_LAMBDA_FUNCTION_NAME", self.name)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "bench")
            .stdin(share.map_or_else(Stdio::null, |_| Stdio::piped()))
            .stdout(share.map_or_else(Stdio::null, |_| Stdio::piped()));
        let mut started = Instant::now();
        let mut child = command.spawn().expect("the program starts");
        if let (Some(mut joined), Some(mut go)) = (child.stdout.take(), child.stdin.take()) {
            joined
                .read_exact(&mut [0])
                .expect("the shell joins the control group");
            started = Instant::now();
            go.write_all(
                b"
",
            )
            .expect("the shell waits for its start");
        }
        Process { child, started }
    }
}

impl Process {
    /// CPU time so far, of all threads.
    pub(crate) fn cpu_ms(&self) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanos: u64 = tasks
            .map(|task| fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap())
            .map(|schedstat| schedstat.split(' ').next().unwrap().parse::<u64>().unwrap())
            .sum();
        #[allow(clippy::cast_precision_loss)]
        let nanos = nanos as f64;
        nanos / 1e6
    }

    /// Asks it to end, and waits: a profiler writes its file then.
    pub(crate) fn terminate(mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }

    pub(crate) fn peak_rss_mb(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024.0 / 1e6
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl CpuShare {
    /// The share that Lambda gives a memory size, or why this machine does not let it be set.
    pub(crate) fn of_memory(megabytes: u32) -> Result<Self, String> {
        const PERIOD: u32 = 20_000; // microseconds, as on Lambda
        let quota = PERIOD * megabytes / 1769;
        let name = format!("tegata-bench-{}-{megabytes}", std::process::id());
        let unified = PathBuf::from("/sys/fs/cgroup");
        let legacy = unified.join("cpu");
        let (directory, settings) = if legacy.join("cpu.cfs_quota_us").exists() {
            let settings = vec![
                ("cpu.cfs_period_us", PERIOD.to_string()),
                ("cpu.cfs_quota_us", quota.to_string()),
            ];
            (legacy.join(name), settings)
        } else if unified.join("cgroup.controllers").exists() {
            (
                unified.join(name),
                vec![("cpu.max", format!("{quota} {PERIOD}"))],
            )
        } else {
            return Err("no control groups".to_owned());
        };
        let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
        fs::create_dir(&directory).map_err(failed)?;
        let share = Self {
            directory: directory.clone(),
        };
        for (file, value) in settings {
            fs::write(directory.join(file), value).map_err(failed)?;
        }
        Ok(share)
    }
}

impl Drop for CpuShare {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.directory);
    }
}
