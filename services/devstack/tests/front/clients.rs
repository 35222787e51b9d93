//! Other people's clients, with their default settings.

use std::path::{Path, PathBuf};
use std::process::Command;

use clickhouse::{Client, Row};
use serde::{Deserialize, Serialize};

use crate::running::front;

#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
struct Line {
    n: u64,
    s: String,
    list: Vec<i64>,
    maybe: Option<i32>,
}

fn line(n: u64) -> Line {
    let m = i32::try_from(n).unwrap();
    Line { n, s: format!("a;\n\n{n}"), list: vec![i64::from(m), -1], maybe: (m % 3 != 0).then_some(m) }
}

#[test]
fn the_clickhouse_crate() {
    let url = format!("http://{}", front().address);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = Client::default().with_url(url);
        client.query("CREATE DATABASE crate").execute().await.unwrap();
        let client = client.with_database("crate").with_user("anyone").with_password("anything");
        let table = "CREATE TABLE lines (n UInt64, s String, list Array(Int64), maybe Nullable(Int32)) ENGINE = MergeTree ORDER BY n";
        client.query(table).execute().await.unwrap();
        let mut insert = client.insert::<Line>("lines").await.unwrap();
        for n in 0..300_000 {
            insert.write(&line(n)).await.unwrap();
        }
        insert.end().await.unwrap();
        let rows = "300000\tz\t[]\t\\N\n".repeat(3);
        let mut formatted = client.insert_formatted_with("INSERT INTO lines FORMAT TSV");
        formatted.send(rows.into()).await.unwrap();
        formatted.end().await.unwrap();

        let mut cursor = client.query("SELECT ?fields FROM lines ORDER BY n").fetch::<Line>().unwrap();
        let mut read = 0;
        while let Some(row) = cursor.next().await.unwrap() {
            if read < 300_000 {
                assert_eq!(row, line(read));
            }
            read += 1;
        }
        assert_eq!(read, 300_003);
        let count: u64 = client
            .query("SELECT count() FROM lines WHERE s = {s:String} AND n < ?")
            .bind(20)
            .param("s", "a;\n\n7")
            .fetch_one()
            .await
            .unwrap();
        assert_eq!(count, 1);

        let error = client.query("SELECT nope").fetch_one::<u8>().await.unwrap_err().to_string();
        assert!(error.contains("UNKNOWN_IDENTIFIER"), "{error}");
        let late = "SELECT throwIf(number = 900000, 'too late') FROM numbers(1000000)";
        let error = client.query(late).fetch_all::<u8>().await.unwrap_err().to_string();
        assert!(error.contains("too late"), "{error}");

        let mut aborted = client.insert::<Line>("lines").await.unwrap();
        for n in 0..200_000 {
            aborted.write(&line(n)).await.unwrap();
        }
        drop(aborted);
        let count: u64 = client.query("SELECT count() FROM lines").fetch_one().await.unwrap();
        assert_eq!(count, 300_003, "an insert that is not ended stores nothing");
    });
}

#[test]
fn python_clickhouse_connect() {
    let folder = folder("python");
    let requirement = "clickhouse-connect==1.12.0";
    let installed = folder.join(requirement);
    if !installed.exists() {
        provide_python();
        run("python3", Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]);
        run("pip", &mut pip);
        std::fs::write(installed, "").unwrap();
    }
    let mut python = Command::new(folder.join("bin/python"));
    run("python", python.arg(source().join("connect.py")).arg(front().address.port().to_string()));
}

/// Debian leaves out of its Python what makes a virtual environment.
fn provide_python() {
    let complete = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
    if complete.is_ok_and(|output| output.status.success()) {
        return;
    }
    // SAFETY: has no preconditions.
    assert_eq!(unsafe { libc::geteuid() }, 0, "Python is missing: install it (Debian: python3-venv)");
    run("apt-get", Command::new("apt-get").arg("update"));
    let mut install = Command::new("apt-get");
    run("apt-get", install.args(["install", "--yes", "--no-install-recommends", "python3-venv"]));
}

#[test]
fn java_official_jdbc_driver() {
    let folder = folder("jdbc-0.9.8");
    let jars = folder.join("jars");
    if !jars.exists() {
        let fetched = folder.join("fetched");
        let mut maven = Command::new("mvn");
        maven.args(["--quiet", "--batch-mode", "dependency:copy-dependencies", "--file"]).arg(source().join("pom.xml"));
        run("mvn", maven.arg(format!("-DoutputDirectory={}", fetched.display())));
        std::fs::rename(fetched, &jars).unwrap();
    }
    let path = format!("{}/*:{}", jars.display(), folder.display());
    let mut compile = Command::new("java");
    compile.args(["-cp", &path, "org.eclipse.jdt.internal.compiler.batch.Main", "-17", "-d"]);
    run("java", compile.arg(&folder).arg(source().join("Jdbc.java")));
    run("java", Command::new("java").args(["-cp", &path, "Jdbc", &front().address.port().to_string()]));
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/front/clients")
}

/// What a client installs stays for the next run.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn run(program: &str, command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("could not run {program}: {error}; install it, then run `make test`"));
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&text));
    print!("{}", String::from_utf8_lossy(&text));
}
