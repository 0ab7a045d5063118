"""What a user can ask for, each read from top to bottom: training, auditing, evaluating, checking, planning, exposing.

Registering, signing and verifying are about a run. The other files are steps of these: of an audit `preparing`,
`opening`, `foreseeing` (with `stages`), `questioning` (with `aligning`), `lots`, `naming`, `picturing`, `remembering`;
of a training `watching`; of an evaluation `privacy`; of making references (`referring`) `labelled`, `probing`,
`remaking`, `reference_files`; of a check `integrity`, `deriving`, `rehashing`, `recomputing`.
"""
