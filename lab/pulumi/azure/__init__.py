"""A resource provider for `azure-native` in front of the lab's Azure; it works from the paths of resources.

No type has code of its own: `paths` says where a type's resources are, `table.json` what their properties are and which
of them stand under `properties` in Azure Resource Manager's documents.
"""
