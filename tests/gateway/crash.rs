//! `kill -9` under load: whatever was answered is in the log, and the log verifies.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::{Program, chat};

#[tokio::test]
async fn a_killed_gateway_leaves_a_log_that_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let mut answered = 0;
    for round in 0..3 {
        let mut program = Program::start(folder.path(), &[]);
        answered += program.load(8, Duration::from_millis(400 + round * 150)).await;
        program.kill();
    }
    assert!(answered > 20, "the load reached the gateway: {answered}");

    // The next start mends a torn tail, if there is one, and goes on.
    let program = Program::start(folder.path(), &[]);
    let reply = program.post("/v1/chat/completions", &chat("hello")).await;
    assert_eq!(reply, 200);
    program.stop();

    let verify = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["audit", "verify", "--json", "--data-dir"])
        .arg(folder.path().join("data"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let report = String::from_utf8(verify.stdout).unwrap();
    assert!(verify.status.success(), "{report}");
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert!(report["records"].as_u64().unwrap() >= answered, "{report}: {answered} were answered");
}
