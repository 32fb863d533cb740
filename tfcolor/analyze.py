r"""Shows what a network learned: a figure, JSON and a page in TensorBoard.

Examples:
  tfcolor analyze --analysis=feature_shift --model=runs/color --other_model=runs/segmentation \
      --images=VOC2012/val --output=analysis/shift
  tfcolor analyze --analysis=top_activations --model=runs/color --tap=fc7 --features=3 --output=top
  tfcolor analyze --analysis=synchronization_speed --output=analysis/speed
  tfcolor analyze --analysis=first_filters --model=runs/color --output=analysis/filters
  tfcolor analyze --analysis=learning_curve --model=runs/a --downstream=0:a.json,9:b.json --output=c
  tfcolor analyze --analysis=variations --images=mnist_basic:MNIST,mnist_rot:MNIST --output=digits
  tfcolor analyze --analysis=parts --model=runs/plain --other_model=runs/oriented --output=parts
  tfcolor analyze --analysis=feature_transformation --model=runs/oriented --output=turn
  tfcolor analyze --analysis=class_mixtures --model=runs/oriented --output=classes
  tfcolor analyze --analysis=loss_curves --curves=mine:runs/a,other:runs/b --output=curves
  tfcolor analyze --analysis=heldout_curves --curves=mine:runs/a --output=curves
  tfcolor analyze --analysis=mixture_weights --mixtures=all:runs/a,depth:runs/b --output=mixtures
  tfcolor analyze --analysis=utility --utility_scratch=9:a.json --utility_tuned=9:b.json --output=u
  tfcolor analyze --analysis=gradient_norm --model=runs/labels --output=analysis/gradients
  tfcolor analyze --analysis=divergence_shapes --divergence_shapes_t=0.5 --output=analysis/shapes
  tfcolor analyze --analysis=permutations --permutations_num_rotations=4 --output=group

feature_shift correlates every feature before and after fine-tuning over photographs and gives
median and quartiles by layer. top_activations cuts patches around the strongest activations, one
from a photograph, in their own colors. first_filters shows the kernels of the first layer, and
learning_curve the training loss with its rate drops and what snapshots were worth downstream.
gradient_norm draws the loss with the norm of its gradient, loss_curves the losses of several runs,
heldout_curves those on held-out images and of constants, divergence_shapes what alpha-beta
divergences cost, utility what pretraining is worth in labels, mixture_weights which units tasks
read, synchronization_speed how fast clusters wait and train.

The others draw chapter 1. variations shows examples of each place of --images, a row for each;
parts and class_mixtures what one or two runs of fit_parts learned; feature_transformation codes
turned in feature space beside those of the turned image; permutations the matrix A.

OUTPUT/NAME.png and OUTPUT/NAME.json are named after the analysis; for the rest:
  tensorboard --logdir=OUTPUT/events
"""

from absl import flags

from tfcolor.config.command import Command, run_command
from tfcolor.config.analyzing import ANALYZE_OPTIONS, run_analysis


def main(flag_values: flags.FlagValues, arguments: list[str]) -> None:
    """Analyzes as the flags say."""
    del arguments
    run_analysis(flag_values)


COMMAND = Command("analyze", __doc__, ANALYZE_OPTIONS, main)


def run() -> None:
    """Runs the command."""
    run_command(COMMAND)


if __name__ == "__main__":
    run()
