//! Each route gives what its documentation says.

use base64::Engine;
use pr_testkit::{Server, content};
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncReadExt;

use crate::support::{PATIENCE, client, client_builder, every_way, json};

#[tokio::test]
async fn echoes_are_the_same_over_every_protocol() {
    for (version, server, client) in every_way() {
        let url = server.url("/anything/here?b=2&a=1&b=3%20x");
        let sent = client.post(&url).header("x-one", "1").header("x-one", "2");
        let echo = json(sent.body("hello").send().await.unwrap()).await;
        assert_eq!(echo["method"], "POST");
        assert_eq!(echo["url"], url);
        assert_eq!(echo["args"], json!([["b", "2"], ["a", "1"], ["b", "3 x"]]));
        assert_eq!(
            (&echo["data"], &echo["data_encoding"]),
            (&json!("hello"), &json!("utf-8"))
        );
        assert_eq!(echo["origin"], "127.0.0.1");
        assert!(echo["http_version"].as_str().unwrap().starts_with(version));
        let headers = echo["headers"].as_array().unwrap();
        let ones: Vec<_> = headers.iter().filter(|pair| pair[0] == "x-one").collect();
        assert_eq!(ones, [&json!(["x-one", "1"]), &json!(["x-one", "2"])]);
        server.shutdown();
    }
}

#[tokio::test]
async fn method_routes_take_their_method_only() {
    let (server, client) = (Server::start(), client());
    for (path, method) in [
        ("/get", Method::GET),
        ("/post", Method::POST),
        ("/put", Method::PUT),
        ("/patch", Method::PATCH),
        ("/delete", Method::DELETE),
    ] {
        let ask = |method: Method| client.request(method, server.url(path)).send();
        let echo = json(ask(method.clone()).await.unwrap()).await;
        assert_eq!(echo["method"], method.as_str());
        let other = if method == Method::PUT {
            Method::POST
        } else {
            Method::PUT
        };
        let refused = ask(other).await.unwrap();
        assert_eq!(refused.status(), 405);
        assert_eq!(refused.headers()["allow"], method.as_str());
    }
    assert_eq!(
        client
            .get(server.url("/nowhere"))
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
}

#[tokio::test]
async fn head_gives_the_length_and_no_body() {
    for (_, server, client) in every_way() {
        for path in ["/get", "/bytes/100000", "/json"] {
            let head = client.head(server.url(path)).send().await.unwrap();
            assert_eq!(head.status(), 200);
            assert!(
                head.headers()["content-length"]
                    .to_str()
                    .unwrap()
                    .parse::<u64>()
                    .unwrap()
                    > 0
            );
            assert!(head.bytes().await.unwrap().is_empty());
        }
        server.shutdown();
    }
}

#[tokio::test]
async fn bodies_are_echoed_as_text_form_json_and_base64() {
    let (server, client) = (Server::start(), client());
    let post = || client.post(server.url("/post"));

    let typed = post().header("content-type", "application/x-www-form-urlencoded");
    let form = json(typed.body("k=v&k=%C3%BC+x").send().await.unwrap()).await;
    assert_eq!(form["form"], json!([["k", "v"], ["k", "ü x"]]));
    assert_eq!(form["data"], "k=v&k=%C3%BC+x");

    let document = json!({ "list": [1, 2.5, null], "text": "ü" });
    let echo = json(post().json(&document).send().await.unwrap()).await;
    assert_eq!(echo["json"], document);

    let binary = content::bytes(1_000_000);
    let echo = json(post().body(binary.clone()).send().await.unwrap()).await;
    assert_eq!(echo["data_encoding"], "base64");
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(echo["data"].as_str().unwrap())
        .unwrap();
    assert_eq!(decoded, binary);
    assert_eq!(echo["json"], json!(null));
}

#[tokio::test]
async fn statuses_are_what_was_asked_for() {
    for (_, server, client) in every_way() {
        for code in [200, 201, 204, 304, 400, 404, 418, 500, 503, 599] {
            let url = server.url(&format!("/status/{code}"));
            let response = client.patch(url).body("ignored").send().await.unwrap();
            assert_eq!(response.status(), code);
            assert!(response.bytes().await.unwrap().is_empty());
        }
        for wrong in ["100", "1000", "x", ""] {
            let url = server.url(&format!("/status/{wrong}"));
            assert_eq!(client.get(url).send().await.unwrap().status(), 400);
        }
        let moved = client.get(server.url("/status/307")).send().await.unwrap();
        assert_eq!(moved.headers()["location"], "/redirect/1");
        let asked = client.get(server.url("/status/401")).send().await.unwrap();
        assert_eq!(
            asked.headers()["www-authenticate"],
            "Basic realm=\"pr-testkit\""
        );
        // Nothing of this, unread bodies included, cost a connection.
        assert_eq!(server.ledger().counts().connections_accepted, 1);
        server.shutdown();
    }
}

#[tokio::test]
async fn headers_go_both_ways() {
    let (server, client) = (Server::start(), client());
    let get = |path: &str| client.get(server.url(path));

    let echo = json(get("/headers").header("x-a", "1").send().await.unwrap()).await;
    assert!(
        echo["headers"]
            .as_array()
            .unwrap()
            .contains(&json!(["x-a", "1"]))
    );
    let agent = get("/user-agent")
        .header("user-agent", "me/1")
        .send()
        .await
        .unwrap();
    assert_eq!(json(agent).await, json!({ "user-agent": "me/1" }));
    assert_eq!(
        json(get("/ip").send().await.unwrap()).await,
        json!({ "origin": "127.0.0.1" })
    );

    let response = get("/response-headers?X-Two=a&x-two=b%2C%20c&x-one=1")
        .send()
        .await
        .unwrap();
    let twos: Vec<_> = response.headers().get_all("x-two").iter().collect();
    assert_eq!(twos, ["a", "b, c"]);
    assert_eq!(response.headers()["x-one"], "1");
    for wrong in ["/response-headers?a%20b=1", "/response-headers?a=%0A"] {
        assert_eq!(get(wrong).send().await.unwrap().status(), 400);
    }
}

#[tokio::test]
async fn redirects_lead_to_get() {
    let server = Server::start();
    let stay = client();
    let locate = |path: &str| {
        let request = stay.get(server.url(path));
        async {
            let response = request.send().await.unwrap();
            let location = response.headers().get("location").unwrap();
            (
                response.status().as_u16(),
                location.to_str().unwrap().to_owned(),
            )
        }
    };
    assert_eq!(
        locate("/redirect/2").await,
        (302, "/relative-redirect/1".into())
    );
    assert_eq!(locate("/relative-redirect/1").await, (302, "/get".into()));
    let absolute = server.url("/absolute-redirect/2");
    assert_eq!(
        locate("/absolute-redirect/3").await,
        (302, absolute.clone())
    );
    assert_eq!(locate("/redirect/3?absolute=true").await, (302, absolute));
    let elsewhere = "/redirect-to?url=http%3A%2F%2Felsewhere.example%2F&status_code=307";
    assert_eq!(
        locate(elsewhere).await,
        (307, "http://elsewhere.example/".into())
    );
    for wrong in [
        "/redirect/0",
        "/redirect/x",
        "/redirect-to",
        "/redirect-to?url=/&status_code=200",
    ] {
        assert_eq!(
            stay.get(server.url(wrong)).send().await.unwrap().status(),
            400
        );
    }

    let follow = client_builder().redirect(reqwest::redirect::Policy::limited(10));
    let follow = follow.build().unwrap();
    for path in [
        "/redirect/5",
        "/relative-redirect/5",
        "/absolute-redirect/5",
    ] {
        let end = follow.get(server.url(path)).send().await.unwrap();
        assert_eq!((end.status().as_u16(), end.url().path()), (200, "/get"));
    }
}

#[tokio::test]
async fn cookies_are_shown_set_and_deleted() {
    let (server, client) = (Server::start(), client());
    let get = |path: &str| client.get(server.url(path));
    let set = |response: reqwest::Response| {
        assert_eq!(
            (response.status().as_u16(), &response.headers()["location"]),
            (302, &"/cookies".parse().unwrap())
        );
        let fields = response.headers().get_all("set-cookie").iter();
        fields
            .map(|field| field.to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };

    let shown = get("/cookies")
        .header("cookie", "a=1; b=x=y")
        .send()
        .await
        .unwrap();
    assert_eq!(
        json(shown).await,
        json!({ "cookies": { "a": "1", "b": "x=y" } })
    );
    let two = set(get("/cookies/set?a=1&b=2").send().await.unwrap());
    assert_eq!(two, ["a=1; Path=/", "b=2; Path=/"]);
    assert_eq!(
        set(get("/cookies/set/c/3").send().await.unwrap()),
        ["c=3; Path=/"]
    );
    let gone = set(get("/cookies/delete?a").send().await.unwrap());
    assert!(gone[0].starts_with("a=; Path=/; Max-Age=0;"), "{gone:?}");
}

#[tokio::test]
async fn content_codings_decode_to_json() {
    use async_compression::tokio::bufread as decode;

    let (server, client) = (Server::start(), client());
    for (path, token, field) in [
        ("/gzip", "gzip", "gzipped"),
        ("/deflate", "deflate", "deflated"),
        ("/deflate?raw=true", "deflate", "deflated"),
        ("/brotli", "br", "brotli"),
        ("/zstd", "zstd", "zstd"),
    ] {
        let response = client.get(server.url(path)).send().await.unwrap();
        assert_eq!(response.headers()["content-encoding"], token);
        let coded = response.bytes().await.unwrap();
        let mut plain = Vec::new();
        let read = match (token, path.contains("raw")) {
            ("gzip", _) => {
                decode::GzipDecoder::new(&coded[..])
                    .read_to_end(&mut plain)
                    .await
            }
            ("deflate", false) => {
                decode::ZlibDecoder::new(&coded[..])
                    .read_to_end(&mut plain)
                    .await
            }
            ("deflate", true) => {
                decode::DeflateDecoder::new(&coded[..])
                    .read_to_end(&mut plain)
                    .await
            }
            ("br", _) => {
                decode::BrotliDecoder::new(&coded[..])
                    .read_to_end(&mut plain)
                    .await
            }
            _ => {
                decode::ZstdDecoder::new(&coded[..])
                    .read_to_end(&mut plain)
                    .await
            }
        };
        read.unwrap_or_else(|error| panic!("{path}: {error}"));
        let document: serde_json::Value = serde_json::from_slice(&plain).unwrap();
        assert_eq!(document[field], true, "{path}");
    }
}

#[tokio::test]
async fn credentials_are_checked() {
    let (server, client) = (Server::start(), client());
    let url = server.url("/basic-auth/user%20x/p:w");
    let asked = client.get(&url).send().await.unwrap();
    assert_eq!(
        (
            asked.status().as_u16(),
            asked.headers().contains_key("www-authenticate")
        ),
        (401, true)
    );
    let wrong = client.get(&url).basic_auth("user x", Some("other"));
    assert_eq!(wrong.send().await.unwrap().status(), 401);
    let right = client.get(&url).basic_auth("user x", Some("p:w"));
    assert_eq!(right.send().await.unwrap().status(), 200);

    let bearer = client.get(server.url("/bearer"));
    let none = bearer.try_clone().unwrap();
    assert_eq!(none.send().await.unwrap().status(), 401);
    let token = json(bearer.bearer_auth("t0k3n").send().await.unwrap()).await;
    assert_eq!(token, json!({ "authenticated": true, "token": "t0k3n" }));
}

#[tokio::test]
async fn text_comes_in_its_character_set() {
    let (server, client) = (Server::start(), client());
    let get = |path: &str| client.get(server.url(path)).send();

    let latin = get("/encoding/iso-8859-1").await.unwrap();
    assert_eq!(
        latin.headers()["content-type"],
        "text/plain; charset=iso-8859-1"
    );
    let latin = latin.bytes().await.unwrap();
    assert!(latin.starts_with(b"Gr\xfc\xdfe"), "{latin:?}");
    let japanese = get("/encoding/shift_jis")
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(japanese.starts_with(b"\x82\xb1\x82\xf1"), "{japanese:?}");
    let utf8 = get("/encoding/utf8").await.unwrap().text().await.unwrap();
    assert!(utf8.contains("Grüße") && utf8.contains("こんにちは"));
    assert_eq!(get("/encoding/no-such-set").await.unwrap().status(), 404);

    let document = get("/json").await.unwrap();
    assert_eq!(document.headers()["content-type"], "application/json");
    assert_eq!(json(document).await["nested"]["null"], json!(null));
    let page = get("/html").await.unwrap().text().await.unwrap();
    assert!(page.starts_with("<!DOCTYPE html>"));
}

#[tokio::test]
async fn delays_and_drips_take_their_time() {
    let (server, client) = (Server::start(), client());
    let begun = std::time::Instant::now();
    client.get(server.url("/delay/0.05")).send().await.unwrap();
    assert!(begun.elapsed().as_millis() >= 50);

    let begun = std::time::Instant::now();
    let drip = server.url("/drip?duration=0.05&numbytes=5&delay=0.05&code=201");
    let mut drip = client.get(drip).send().await.unwrap();
    assert!(begun.elapsed().as_millis() >= 50);
    assert_eq!(
        (drip.status().as_u16(), drip.content_length()),
        (201, Some(5))
    );
    let mut body = Vec::new();
    while let Some(chunk) = drip.chunk().await.unwrap() {
        body.extend_from_slice(&chunk);
    }
    assert_eq!(body, b"*****");
    assert!(begun.elapsed().as_millis() >= 90);
    for wrong in ["/delay/x", "/delay/-1", "/drip?numbytes=x", "/drip?code=9"] {
        assert_eq!(
            client.get(server.url(wrong)).send().await.unwrap().status(),
            400
        );
    }
}

#[tokio::test]
async fn a_request_without_answer_is_abandoned_when_the_client_goes() {
    for (_, server, client) in every_way() {
        let waiting = tokio::spawn(client.get(server.url("/hang")).send());
        let ledger = server.ledger();
        ledger
            .wait_until(|seen| seen.requests_in_flight() == 1, PATIENCE)
            .await
            .unwrap();
        waiting.abort();
        let seen = ledger
            .wait_until(|seen| seen.requests_abandoned == 1, PATIENCE)
            .await
            .unwrap();
        assert_eq!(seen.requests_answered, 0);
        server.shutdown();
    }
}
