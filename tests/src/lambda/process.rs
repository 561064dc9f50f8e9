//! A function's process: started with its variables, watched through `/proc`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

/// A program to measure.
pub struct Program {
    /// Its file.
    pub path: PathBuf,
    arguments: Vec<String>,
    /// Its name, which is the function's.
    pub name: &'static str,
    variables: Vec<(String, String)>,
}

/// A control group that limits its processes to a share of a core.
pub struct CpuShare {
    directory: PathBuf,
}

/// A running program; killed when dropped.
pub struct Process {
    child: Child,
    /// When it was started.
    pub started: Instant,
}

impl Program {
    /// A program with its name and its variables.
    pub fn new(name: &'static str, path: PathBuf, variables: &[(String, String)]) -> Self {
        Self {
            path,
            arguments: Vec::new(),
            name,
            variables: variables.to_vec(),
        }
    }

    /// Adds arguments.
    pub fn with_arguments<'a>(mut self, arguments: impl Iterator<Item = &'a str>) -> Self {
        self.arguments = arguments.map(str::to_owned).collect();
        self
    }

    /// Starts it without its log.
    pub fn start(&self, runtime_api: &str, share: Option<&CpuShare>) -> Process {
        let Some(share) = share else {
            let mut command = self.command(&self.path, runtime_api);
            let command = command.args(&self.arguments).stdin(Stdio::null());
            return Process::spawn(command.stdout(Stdio::null()));
        };
        // The shell joins the group, which takes the kernel a while, says so, waits for its start,
        // and becomes the program.
        let mut shell = self.command(Path::new("/bin/sh"), runtime_api);
        let script = r#"echo $$ > "$0"; echo; read go; exec "$@" > /dev/null"#;
        shell.args(["-c", script]);
        shell
            .arg(share.directory.join("cgroup.procs"))
            .arg(&self.path)
            .args(&self.arguments);
        let mut process = Process::spawn(shell.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let child = &mut process.child;
        let (mut joined, mut go) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
        joined
            .read_exact(&mut [0])
            .expect("the shell joins the control group");
        process.started = Instant::now();
        go.write_all(b"\n").expect("the shell waits for its start");
        process
    }

    /// Starts it with its log.
    pub fn start_with_log(&self, runtime_api: &str) -> (Process, ChildStdout) {
        let mut command = self.command(&self.path, runtime_api);
        let command = command.args(&self.arguments).stdin(Stdio::null());
        let mut process = Process::spawn(command.stdout(Stdio::piped()));
        let log = process.child.stdout.take().unwrap();
        (process, log)
    }

    fn command(&self, program: &Path, runtime_api: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("PATH", "/usr/bin:/bin")
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
            .env("AWS_LAMBDA_FUNCTION_NAME", self.name)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "bench");
        command
    }
}

impl Process {
    fn spawn(command: &mut Command) -> Self {
        let started = Instant::now();
        let child = command.spawn().expect("the program starts");
        Self { child, started }
    }

    /// CPU time so far, of all threads.
    pub fn cpu_ms(&self) -> f64 {
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
    pub fn terminate(mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }

    /// The most memory that it had, in MB.
    pub fn peak_rss_mb(&self) -> f64 {
        self.status_mb("VmHWM:")
    }

    /// The memory that it has, in MB.
    pub fn rss_mb(&self) -> f64 {
        self.status_mb("VmRSS:")
    }

    fn status_mb(&self, name: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
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
    pub fn of_memory(megabytes: u32) -> Result<Self, String> {
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
