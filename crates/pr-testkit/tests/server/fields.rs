//! Header fields in numbers and shapes that clients have to bear with.

use pr_testkit::Server;

use crate::support::{client, every_way};

#[tokio::test]
async fn many_fields_come_in_the_size_asked_for() {
    for (_, server, client) in every_way() {
        let url = server.url("/many-headers?count=90&size=100");
        let response = client.get(url).send().await.unwrap();
        let fields = response.headers().iter();
        let mut fields: Vec<_> = fields
            .filter(|(name, _)| name.as_str().starts_with("x-field-"))
            .collect();
        assert_eq!(fields.len(), 90);
        assert!(fields.iter().all(|(_, value)| value.len() == 100));
        fields.dedup_by_key(|(_, value)| *value);
        assert_eq!(fields.len(), 90);
        let wrong = server.url("/many-headers?count=x");
        assert_eq!(client.get(wrong).send().await.unwrap().status(), 400);
    }
}

#[tokio::test]
async fn cookies_are_set_as_they_are_written() {
    let (server, client) = (Server::start(), client());
    let lines = async |path: &str| {
        let response = client.get(server.url(path)).send().await.unwrap();
        let fields = response.headers().get_all("set-cookie").iter();
        let fields: Vec<_> = fields
            .map(|field| String::from_utf8(field.as_bytes().to_vec()).unwrap())
            .collect();
        (response.status().as_u16(), fields)
    };
    let raw = "/cookies/set-raw?line=a%3D1%3B+Domain%3D.Example.com&line=%3D%3B+Secure&line=%C3%BC";
    let expected = ["a=1; Domain=.Example.com", "=; Secure", "ü"];
    assert_eq!(
        lines(raw).await,
        (200, expected.map(str::to_owned).to_vec())
    );
    let flood = lines("/cookies/set-raw?line=c{}%3Dx&count=3&url=/get").await;
    assert_eq!(
        flood,
        (302, ["c0=x", "c1=x", "c2=x"].map(str::to_owned).to_vec())
    );
    assert_eq!(lines("/cookies/set-raw?line=a%0Ab").await.0, 400);
    assert_eq!(lines("/cookies/set-raw?line=a&count=100000").await.0, 400);
}
