"""Repositories that mean no good: builds that cost far more than they look."""


def doubling(levels: int) -> dict[str, str]:
    """Files of kustomizations, one folder a level; the one at `N` builds two to the power of N objects."""
    files = {
        "0/kustomization.yaml": "resources: [a.yaml]\n",
        "0/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
    }
    for level in range(1, levels + 1):
        files[f"{level}/kustomization.yaml"] = "resources: [a, b]\n"
        for side in "ab":
            files[f"{level}/{side}/kustomization.yaml"] = f"namePrefix: {side}\nresources: [../../{level - 1}]\n"
    return files
