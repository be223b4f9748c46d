use super::*;
use crate::template::Scalar;

fn settings(sql: Option<&str>, query: Option<&str>, http: Option<&str>) -> BTreeMap<String, LookupSettings> {
    let settings = LookupSettings {
        sql: sql.map(str::to_owned),
        query: query.map(str::to_owned),
        http: http.map(str::to_owned),
        password_file: None,
        ca_file: None,
        timeout: Duration::from_secs(5),
        cache: Duration::from_secs(60),
        cache_entries: 10,
        optional: false,
    };
    [("subs".to_owned(), settings)].into()
}

#[tokio::test]
async fn a_row_of_sqlite_is_asked_for_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("subs.db");
    let made = std::process::Command::new("sqlite3")
        .arg(&path)
        .arg("CREATE TABLE s (mac TEXT, cpe INTEGER, tier TEXT, note TEXT); INSERT INTO s VALUES ('aa', 8, 'gold', NULL);")
        .status()
        .unwrap();
    assert!(made.success());
    let url = format!("sqlite:{}", path.display());
    let lookups = Lookups::new(&settings(
        Some(&url),
        Some("SELECT cpe, tier, note FROM s WHERE mac = :mac"),
        None,
    ))
    .unwrap();
    let ask = |mac: &str| {
        let values = BTreeMap::from([("mac".to_owned(), mac.to_owned())]);
        let lookups = &lookups;
        async move { lookups.ask(&["subs".into()], &values).await }
    };
    let found = ask("aa").await.unwrap().remove("subs").unwrap();
    assert_eq!(found.get("cpe"), Some(&Scalar::Int(8)));
    assert_eq!(found.get("tier"), Some(&Scalar::Text("gold".to_owned())));
    assert_eq!(found.get("note"), None);
    assert!(ask("bb").await.unwrap()["subs"].is_empty());
    // The answer is kept: the database may be gone.
    std::fs::remove_file(&path).unwrap();
    assert_eq!(ask("aa").await.unwrap()["subs"], found);
    let error = lookups.ask(&["other".into()], &BTreeMap::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "lookup 'other': the settings do not have it");
}

#[tokio::test]
async fn an_object_over_http_and_one_that_is_not_there() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            let found = request[..length].starts_with(b"GET /aa ");
            let body = r#"{"cpe": 8, "on": true, "tier": "gold", "list": [1]}"#;
            let (status, body) = if found {
                ("200 OK", body)
            } else {
                ("404 Not Found", "{}")
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let url = format!("http://{address}/{{mac}}");
    let lookups = Lookups::new(&settings(None, None, Some(&url))).unwrap();
    let values = BTreeMap::from([("mac".to_owned(), "aa".to_owned())]);
    let found = lookups.ask(&["subs".into()], &values).await.unwrap();
    assert_eq!(found["subs"].get("on"), Some(&Scalar::Bool(true)));
    assert_eq!(found["subs"].get("cpe"), Some(&Scalar::Int(8)));
    let values = BTreeMap::from([("mac".to_owned(), "bb".to_owned())]);
    assert!(lookups.ask(&["subs".into()], &values).await.unwrap()["subs"].is_empty());
}
