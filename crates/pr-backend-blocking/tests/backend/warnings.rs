//! What a user is told who asks for what there is not.

use pr_backend_blocking::{Backend, BlockingBackend, TransportConfig};
use pr_core::Warning;

#[test]
fn prior_knowledge_of_http2_is_of_no_use() {
    let plain = BlockingBackend::new().unwrap();
    assert!(plain.warnings().list().is_empty());
    let config = TransportConfig::default().http2_prior_knowledge(true);
    let asking = BlockingBackend::with_config(config).unwrap();
    assert_eq!(
        asking.warnings().list(),
        [Warning::PriorKnowledgeUnsupported {
            backend: "blocking"
        }]
    );
}
