"""How to cite: the facts of CITATION.cff, which is not part of the installed package."""


def bibtex(version: str) -> str:
    """Return entries for a bibliography: the program in a version, and the papers of the method."""
    return f"""@software{{onnxmint,
  title   = {{onnxmint: membership audits of image classifiers through ONNX}},
  author  = {{{{The onnxmint developers}}}},
  version = {{{version}}},
  license = {{Apache-2.0}},
}}
@misc{{mint2024,
  title  = {{Is my Data in your AI Model? Membership Inference Test with Application to Face Images}},
  author = {{DeAlcala, Daniel and Morales, Aythami and Fierrez, Julian and Mancera, Gonzalo and Tolosana, Ruben and
            Ortega-Garcia, Javier}},
  year   = {{2024}},
  eprint = {{2402.09225}},
  archivePrefix = {{arXiv}},
}}
@misc{{mint2026,
  title  = {{Membership Inference Test: Auditing Training Data in Object Classification Models}},
  author = {{Mancera, Gonzalo and DeAlcala, Daniel and Morales, Aythami and Tolosana, Ruben and Fierrez, Julian}},
  year   = {{2026}},
  eprint = {{2601.12929}},
  archivePrefix = {{arXiv}},
}}"""
