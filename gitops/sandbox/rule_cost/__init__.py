"""What the CEL rules of a CustomResourceDefinition may cost, estimated from its schema as kube-apiserver does."""
