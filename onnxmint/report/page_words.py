"""What the page of an auditor says beside the report's words: marked here, so that the catalogues hold it.

The page itself is TypeScript (tools/page), which names each message by its English words.
"""

from onnxmint.report.language import mark

WORDS = (
    mark("Language"),
    mark("No image leaves this machine: this page judges them in your browser, and cannot connect to anything."),
    mark("No image leaves this machine: this page judges them in your browser, and sends nothing."),
    mark("Auditor"),
    mark(
        "It asks less than onnxmint audit: whether your images have the origin of the known ones is not checked, no "
        "other models are compared, and earlier tries are not counted."
    ),
    mark("Whoever has this page has the model, as far as the audit needs it, and can recognise the known images."),
    mark("Choose the auditor"),
    mark("Choose a folder of images"),
    mark("or drop it here"),
    mark("The folder has to hold one sub-folder for each class: {classes}."),
    mark("Stop"),
    mark("Judge a random sample"),
    mark("Save report.json"),
    mark("Save scores.csv"),
    mark("Licences"),
    mark("Getting ready ..."),
    mark("Ready. Choose a folder of images."),
    mark("This page needs the auditor's file {name} ({size} MB): choose it first."),
    mark("That is another file: this page belongs to the auditor with SHA-256 {hash}."),
    mark("Looking at the images: {done} of {all}"),
    mark("Asking the model: {done} of {all}, about {minutes} minutes left"),
    mark("All {images} images take about {minutes} minutes. A random sample of {sample} takes about one."),
    mark("What was dropped cannot be read here: choose the folder with the button."),
    mark("Stopped. Nothing was judged."),
    mark("Judged in {seconds} seconds."),
    mark("Something went wrong: {why}"),
    mark("There is no image in what was chosen."),
    mark("All images that could be read are known to the auditor, so there is nothing to judge."),
    mark("None of the images could be read."),
    mark("None of the images could be scored."),
    mark(
        "The auditor has to be told the class of each image, but {lacking} of {images} lie in no class folder "
        "({path}). Sort the images into one folder a class, and choose the folder that holds these."
    ),
    mark("The folder {name} is no class that the auditor knows. It knows: {known}."),
    mark("This page could not check: {names}. What these would have shown is not excluded."),
    mark("What would have been noticed"),
    mark("Images that are known already, and were not judged"),
)
