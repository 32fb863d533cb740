"""Measures a trained network, or a baseline, by a protocol.

Examples:
  tfcolor evaluate --protocol=colorization --model=runs/first --images=photos
  tfcolor evaluate --baseline=gray --images=builtin:photos --output_json=result.json
  tfcolor evaluate --model=runs/first --images=ILSVRC2012/val --colorization_subset=cval1k

  tfcolor evaluate --protocol=voc_classification --model=runs/voc07 --images=voc:VOC2007:test
  tfcolor evaluate --protocol=voc_segmentation --model=runs/a,runs/b,runs/c
    --images=voc_segmentation:VOC2012:val --figures=pictures
  tfcolor evaluate --protocol=voc_detection --model=runs/found
    --images=voc_detection:VOC2007:test --figures=pictures
  tfcolor evaluate --protocol=depth --model=runs/depth --images=nyu:NYU:test
  tfcolor evaluate --protocol=few_label --model=runs/first --images=cifar100:CIFAR
    --few_label_test_images=cifar100:CIFAR:test --few_label_num_per_class=5,20,80
  tfcolor evaluate --protocol=linear_evaluation --model=runs/first
    --images=cifar100:CIFAR:train --image_range=40000:50000
    --linear_evaluation_test_images=cifar100:CIFAR:test
  tfcolor evaluate --protocol=linear_svm --model=runs/first --images=voc:VOC2007:trainval
    --linear_svm_test_images=voc:VOC2007:test
  tfcolor evaluate --protocol=linear_probe --model=runs/probe --images=ImageNet/val
  tfcolor evaluate --protocol=retrieval --model=runs/first --images=cats --figures=pictures

The protocols but colorization measure runs: of the task multilabel, segmentation, depth or
classification, several as an ensemble; one of detection or of linear_probe; or one of any
task, by linear classifiers on its features or by nearest neighbors. Figures go to
standard output as JSON, --output_csv has those of every image, and --figures pictures:
curves, histograms, and sheets of the best, median and worst images.
"""

import sys

from absl import flags

from tfcolor.config.command import Command, run_command
from tfcolor.config.evaluation import EVALUATE_OPTIONS, run_evaluation
from tfcolor.core.files import check_writable, format_json, write_json


def main(flag_values: flags.FlagValues, arguments: list[str]) -> None:
    """Evaluates as the flags say."""
    del arguments
    if flag_values.output_json:
        check_writable(flag_values.output_json)
    figures = run_evaluation(flag_values)
    sys.stdout.write(format_json(figures))
    if flag_values.output_json:
        write_json(flag_values.output_json, figures)


COMMAND = Command("evaluate", __doc__, EVALUATE_OPTIONS, main)


def run() -> None:
    """Runs the command."""
    run_command(COMMAND)


if __name__ == "__main__":
    run()
