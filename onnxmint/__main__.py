"""python -m onnxmint is the onnxmint command."""

from onnxmint.cli.main import main

if __name__ == "__main__":
    main()
