//! `--stack` on an operator's machine: variables, profiles and proxies, before a store is reached.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use crate::support::text;

/// The SHA-1 of `work`: the file name of the cached token of an `sso-session` of this name.
const WORK_SHA1: &str = "e274eeff768c6396088ec6eb091f4bf4d47ab1e0";
/// Its SHA-256 is the file name of the cached token of `aws login`.
const CONSOLE: &str = "arn:aws:iam::123456789012:user/operator";

/// A listener that notes each request, and answers it.
struct Listener {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    fn start(answer: impl Fn(&str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read_request(&mut stream);
                let answer = answer(&request);
                noted.lock().unwrap().push(request);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { port, requests }
    }

    /// A proxy that lets nothing through.
    fn proxy() -> Self {
        Self::start(|_| "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_owned())
    }

    /// STS, and a CloudFormation that has stacks of these names.
    fn aws(stacks: &'static [&'static str]) -> Self {
        Self::start(move |request| {
            let body = match request.contains("Action=GetCallerIdentity") {
                true => CALLER.to_owned(),
                false => {
                    let members: String = stacks.iter().map(|name| stack(name)).collect();
                    format!(
                        "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">\
                         <DescribeStacksResult><Stacks>{members}</Stacks></DescribeStacksResult>\
                         </DescribeStacksResponse>"
                    )
                }
            };
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

const CALLER: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
    <GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/operator</Arn>\
    <UserId>AIDAEXAMPLE</UserId><Account>123456789012</Account></GetCallerIdentityResult>\
    </GetCallerIdentityResponse>";

fn stack(name: &str) -> String {
    format!(
        "<member><StackName>{name}</StackName>\
         <StackId>arn:aws:cloudformation:ap-northeast-1:123456789012:stack/{name}/1</StackId>\
         <CreationTime>2026-11-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>\
         <Outputs><member><OutputKey>CustomersTable</OutputKey>\
         <OutputValue>{name}-customers</OutputValue></member></Outputs></member>"
    )
}

/// The head of a request, and its body.
fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).unwrap_or(0);
        request.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            match count {
                0 => return text,
                _ => continue,
            }
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().unwrap())
        });
        if count == 0 || body.len() >= length.unwrap_or(0) {
            return text;
        }
    }
}

/// A machine with a home directory of its own, and no variable of this one.
struct Machine {
    home: TempDir,
}

impl Machine {
    fn new(config: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let machine = Self { home };
        machine.file(".aws/config", config);
        machine
    }

    fn file(&self, name: &str, content: &str) {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn run(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_tegata"))
            .env_clear()
            .env("HOME", self.home.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(variables.iter().copied())
            .args(arguments)
            .current_dir(self.home.path())
            .output()
            .unwrap()
    }

    /// What `license list` says on a stack, which it cannot do.
    fn failure(&self, variables: &[(&str, &str)]) -> String {
        let output = self.run(variables, &["--stack", "prod", "license", "list"]);
        assert!(!output.status.success(), "{}", text(&output.stdout));
        text(&output.stderr)
    }
}

const REGION: (&str, &str) = ("AWS_REGION", "ap-northeast-1");
const KEY_ID: (&str, &str) = ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
const SECRET: (&str, &str) = ("AWS_SECRET_ACCESS_KEY", "EXAMPLE");

#[test]
fn https_goes_through_the_proxy() {
    let proxy = Listener::proxy();
    let machine = Machine::new("");
    let url = format!("http://operator:secret@127.0.0.1:{}", proxy.port);
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let said = machine.failure(&[REGION, KEY_ID, SECRET, (name, &url)]);
        let requests = proxy.requests();
        let asked = requests.last().expect(&said);
        assert!(
            asked.starts_with("CONNECT sts.ap-northeast-1.amazonaws.com:443 HTTP/1.1\r\n"),
            "{asked}"
        );
        let basic = "proxy-authorization: basic b3blcmf0b3i6c2vjcmv0";
        assert!(asked.to_lowercase().contains(basic), "{asked}");
        assert!(said.contains("proxy"), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn no_proxy_is_honoured() {
    let proxy = Listener::proxy();
    let machine = Machine::new("");
    let url = proxy.url();
    let not_for = ("NO_PROXY", "example.com,.amazonaws.com");
    machine.failure(&[REGION, KEY_ID, SECRET, ("HTTPS_PROXY", &url), not_for]);
    assert_eq!(proxy.requests(), [""; 0]);
}

/// As in tests/local-cloud, but without its `NO_PROXY`.
#[test]
fn this_machine_is_reached_without_a_proxy() {
    let (proxy, aws) = (Listener::proxy(), Listener::aws(&[]));
    let machine = Machine::new("");
    let (through, endpoint) = (proxy.url(), aws.url());
    machine.failure(&[
        REGION,
        KEY_ID,
        SECRET,
        ("HTTP_PROXY", &through),
        ("HTTPS_PROXY", &through),
        ("AWS_ENDPOINT_URL", &endpoint),
    ]);
    assert_eq!(proxy.requests(), [""; 0]);
    assert!(!aws.requests().is_empty());
}

#[test]
fn a_variable_that_names_no_proxy_is_refused() {
    let machine = Machine::new("");
    for (value, expected) in [
        ("socks5://127.0.0.1:1080", "http://HOST:PORT"),
        ("http://operator:se cret@proxy:8080", "http://HOST:PORT"),
    ] {
        let said = machine.failure(&[REGION, KEY_ID, SECRET, ("HTTPS_PROXY", value)]);
        assert!(said.contains("HTTPS_PROXY"), "{said}");
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("cret@"), "{said}");
    }
}

#[test]
fn an_empty_variable_is_unset() {
    let aws = Listener::aws(&["prod"]);
    let endpoint = aws.url();
    let machine = Machine::new("[default]\nregion = eu-west-1\n");
    let output = machine.run(
        &[
            KEY_ID,
            SECRET,
            ("AWS_ENDPOINT_URL", &endpoint),
            ("TEGATA_STACK", ""),
        ],
        &["license", "list"],
    );
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("say where to work"), "{said}");
    assert_eq!(aws.requests(), [""; 0]);

    let empty = [
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_CONFIG_FILE",
        "AWS_CA_BUNDLE",
        "AWS_ENDPOINT_URL_STS",
        "AWS_ENDPOINT_URL_S3",
        "AWS_SESSION_TOKEN",
        "HTTPS_PROXY",
        "DEVELOPMENT_BASE_DOMAINS",
    ];
    let mut variables = vec![KEY_ID, SECRET, ("AWS_ENDPOINT_URL", &*endpoint)];
    variables.extend(empty.map(|name| (name, "")));
    let said = machine.failure(&variables);
    // It got as far as the stack, which has one output only.
    assert!(said.contains("stack prod has no output TimeZone"), "{said}");
    let requests = aws.requests();
    assert!(
        requests.last().unwrap().contains("/eu-west-1/"),
        "{requests:?}"
    );

    let output = machine.run(
        &[KEY_ID, SECRET, REGION],
        &["--stack", "", "license", "list"],
    );
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

#[test]
fn just_the_stack_that_was_named_is_worked_on() {
    let machine = Machine::new("");
    for (stacks, expected) in [
        (&["staging"][..], "staging"),
        (&["staging", "prod"], "2 stacks"),
        (&[], "no stack"),
    ] {
        let aws = Listener::aws(stacks);
        let endpoint = aws.url();
        let said = machine.failure(&[REGION, KEY_ID, SECRET, ("AWS_ENDPOINT_URL", &endpoint)]);
        assert!(said.contains("cannot read stack prod"), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_mistyped_profile_is_named_with_those_that_exist() {
    let machine = Machine::new("[profile prod]\nregion = eu-west-1\n[profile staging]\n");
    let said = machine.failure(&[("AWS_PROFILE", "prd")]);
    for expected in ["profile prd", "AWS_PROFILE", "prod, staging"] {
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_missing_region_names_the_profile() {
    let machine = Machine::new("[profile prod]\n");
    let said = machine.failure(&[("AWS_PROFILE", "prod"), KEY_ID, SECRET]);
    assert!(said.contains("no AWS region"), "{said}");
    assert!(said.contains("profile prod"), "{said}");
}

#[test]
fn an_expired_sso_session_says_how_to_sign_in() {
    let config = "
[profile prod]
sso_session = work
sso_account_id = 123456789012
sso_role_name = operators
region = ap-northeast-1
[profile admin]
role_arn = arn:aws:iam::123456789012:role/admin
source_profile = prod
region = ap-northeast-1
[sso-session work]
sso_region = ap-northeast-1
sso_start_url = https://vendor.awsapps.com/start
";
    let machine = Machine::new(config);
    for profile in ["prod", "admin"] {
        let said = machine.failure(&[("AWS_PROFILE", profile)]);
        assert!(said.contains("aws sso login --profile prod"), "{said}");
    }
    let token = r#"{
        "startUrl": "https://vendor.awsapps.com/start", "region": "ap-northeast-1",
        "accessToken": "EXAMPLE", "expiresAt": "2026-01-01T00:00:00Z"
    }"#;
    machine.file(&format!(".aws/sso/cache/{WORK_SHA1}.json"), token);
    let said = machine.failure(&[("AWS_PROFILE", "prod")]);
    assert!(said.contains("aws sso login --profile prod"), "{said}");
    assert!(!said.contains("EXAMPLE"), "{said}");
}

#[test]
fn a_profile_of_aws_login_works() {
    let config = format!("[profile prod]\nlogin_session = {CONSOLE}\nregion = ap-northeast-1\n");
    let machine = Machine::new(&config);
    let said = machine.failure(&[("AWS_PROFILE", "prod")]);
    assert!(said.contains("aws login --profile prod"), "{said}");

    // The form that the AWS CLI writes. The key is needed only when the token is refreshed.
    let token = r#"{
        "accessToken": {
            "accessKeyId": "ASIALOGINEXAMPLE", "secretAccessKey": "EXAMPLE",
            "sessionToken": "EXAMPLE", "accountId": "123456789012",
            "expiresAt": "2099-01-01T00:00:00Z"
        },
        "tokenType": "aws_sigv4", "refreshToken": "EXAMPLE", "idToken": "e30.e30.e30",
        "clientId": "arn:aws:signin:::devtools/same-device",
        "dpopKey": "EXAMPLE"
    }"#;
    machine.file(&format!("cache/{}.json", sha256(CONSOLE)), token);
    let aws = Listener::aws(&[]);
    let (endpoint, cache) = (aws.url(), machine.home.path().join("cache"));
    machine.failure(&[
        ("AWS_PROFILE", "prod"),
        ("AWS_ENDPOINT_URL", &endpoint),
        ("AWS_LOGIN_CACHE_DIRECTORY", cache.to_str().unwrap()),
    ]);
    let requests = aws.requests();
    assert!(requests[0].contains("ASIALOGINEXAMPLE"), "{requests:?}");
}

#[test]
fn a_profile_that_asks_for_mfa_is_refused_with_a_way_out() {
    let config = "
[profile base]
aws_access_key_id = AKIDEXAMPLE
aws_secret_access_key = EXAMPLE
[profile prod]
role_arn = arn:aws:iam::123456789012:role/operators
source_profile = base
mfa_serial = arn:aws:iam::123456789012:mfa/operator
region = ap-northeast-1
";
    let machine = Machine::new(config);
    let said = machine.failure(&[("AWS_PROFILE", "prod")]);
    assert!(said.contains("mfa_serial"), "{said}");
    let way_out = "aws configure export-credentials --profile prod --format env";
    assert!(said.contains(way_out), "{said}");
    // With those credentials in the environment, the profile's are not taken.
    let aws = Listener::aws(&[]);
    let endpoint = aws.url();
    let endpoint = ("AWS_ENDPOINT_URL", &*endpoint);
    let said = machine.failure(&[("AWS_PROFILE", "prod"), KEY_ID, SECRET, endpoint]);
    assert!(said.contains("cannot read stack prod"), "{said}");
}

fn sha256(text: &str) -> String {
    let hash = <sha2::Sha256 as sha2::Digest>::digest(text.as_bytes());
    data_encoding::HEXLOWER.encode(&hash)
}
