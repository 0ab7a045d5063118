"""What was fixed before scores were seen, in one sentence."""

from onnxmint.results.registration import RegistrationFacts


def registration_words(found: RegistrationFacts | None) -> str:
    """Return what a reader has to know of when settings were chosen."""
    if found is None:
        return "nothing: settings could have been chosen after seeing scores"
    by = f"{found.created}, by the clock of who made it (SHA-256 {found.sha256[:12]}); "
    if not found.deviations:
        return f"{by}the audit is as registered"
    return f"{by}the audit is another: {'; '.join(found.deviations)}. Reason given: {found.reason}"
