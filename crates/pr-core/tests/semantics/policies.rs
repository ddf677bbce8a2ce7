//! Redirect policies, and the refusal of plain `http`.

use pr_core::{
    BackendExt, ErrorKind, RedirectAction, RedirectPolicy, RequestConfig, RequestDefaults, Session,
};

use crate::support::{Scripted, ok, redirect};

const URL: &str = "https://h.example/";

#[tokio::test]
async fn a_policy_says_how_many() {
    for (most, answered) in [(0, 1), (1, 2), (3, 4)] {
        let backend = Scripted::at_once(|_, _| Ok(redirect(302, "/again")));
        let request = RequestConfig::get(URL).redirect_policy(RedirectPolicy::limited(most));
        let outcome = backend.request(request).await;
        assert_eq!(backend.seen().len(), answered);
        match outcome {
            Ok(response) => assert_eq!((most, response.status_code().as_u16()), (0, 302)),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Redirect);
                assert!(error.message().contains(&format!("more than {most}")));
            }
        }
    }
}

#[tokio::test]
async fn a_custom_policy_is_asked_about_each() {
    let policy = RedirectPolicy::custom(|attempt| {
        assert_eq!(attempt.status_code().as_u16(), 302);
        assert_eq!(
            attempt.from().path(),
            format!("/{}", attempt.history().len())
        );
        match attempt.target().path() {
            "/deliver" => RedirectAction::Deliver,
            "/refuse" => RedirectAction::Refuse("not there".to_owned()),
            _ => RedirectAction::Follow,
        }
    });
    let mut defaults = RequestDefaults::default();
    defaults.redirect_policy = Some(policy);
    for last in ["/deliver", "/refuse"] {
        let backend = Scripted::at_once(move |number, _| {
            Ok(match number {
                0 => redirect(302, "/1"),
                1 => redirect(302, "/2"),
                _ => redirect(302, last),
            })
        });
        let session = Session::new(backend.clone()).with_defaults(defaults.clone());
        let outcome = session.request("https://h.example/0").await;
        assert_eq!(backend.seen().len(), 3);
        match outcome {
            Ok(response) => {
                assert_eq!((last, response.status_code().as_u16()), ("/deliver", 302));
                assert_eq!(response.history().len(), 2);
            }
            Err(error) => assert_eq!((last, error.message()), ("/refuse", "not there")),
        }
        // Not following at all comes first.
        let request = RequestConfig::get("https://h.example/0").follow_redirects(false);
        let response = session.request(request).await.unwrap();
        assert_eq!(response.status_code(), 302);
    }
}

#[tokio::test]
async fn only_https_means_the_first_url_and_every_other() {
    let only = |url: &str| RequestConfig::get(url).https_only(true);
    let backend = Scripted::at_once(|_, _| Ok(redirect(307, "http://h.example/plain")));
    let error = backend
        .request(only("http://h.example/"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.message().contains("https_only"), "{error}");
    assert!(backend.seen().is_empty());

    let error = backend.request(only(URL)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redirect);
    assert!(error.message().contains("https_only"), "{error}");
    assert_eq!(backend.seen().len(), 1);

    let fine = Scripted::at_once(|_, _| Ok(ok()));
    fine.request(only(URL)).await.unwrap();
}

#[tokio::test]
async fn no_policy_goes_round_in_circles() {
    let backend = Scripted::at_once(|_, _| Ok(redirect(302, "/again")));
    let always = RedirectPolicy::custom(|_| RedirectAction::Follow);
    let request = RequestConfig::get(URL).redirect_policy(always);
    let error = backend.request(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redirect);
    assert_eq!(backend.seen().len(), 101);
}
