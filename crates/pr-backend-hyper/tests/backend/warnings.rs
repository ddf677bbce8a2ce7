//! What a user is told who asks for what there is not.

use pr_backend_hyper::{Backend, HyperBackend, TransportConfig, Warning};

#[test]
fn prior_knowledge_of_http2_is_of_no_use() {
    assert!(HyperBackend::new().unwrap().warnings().list().is_empty());
    let config = TransportConfig::default().http2_prior_knowledge(true);
    let warned = HyperBackend::with_config(config).unwrap().warnings().list();
    assert_eq!(
        warned,
        [Warning::PriorKnowledgeUnsupported { backend: "hyper" }]
    );
}
