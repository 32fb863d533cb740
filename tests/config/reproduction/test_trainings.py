from tfcolor.config.reproduction import trainings
from tfcolor.config.reproduction.study import Weights


def test_published_trainings_are_their_flagfiles_alone():
    run = trainings.colorized("full", "table_3_4/vgg16_10_epochs", 10, trainings.CIFAR_SCENES)
    assert (run.name, run.config) == ("vgg16_10_epochs", "configs/table_3_4/vgg16_10_epochs.cfg")
    assert run.flags == () and run.images == "photographs"
    run = trainings.supervised("full", "e10", 20, flags=("--x=1",), small_flags=("--y=1",))
    assert (run.name, run.flags, run.images) == ("e10", ("--x=1",), "labels")


def test_small_trainings_lay_network_kind_and_length_over_it():
    run = trainings.colorized("small", "table_3_4/vgg16_10_epochs", 10, trainings.CIFAR_DEEP)
    assert run.name == "cifar_deep_10_epochs" and run.images == "labels"
    assert run.flags == trainings.laid(
        "small_cifar_pretraining", "small_cifar_deep", "small_10_epochs"
    )
    run = trainings.segmented("small", "table_3_4/vgg16_segmentation", run, variant="_x")
    assert run.run_name == "cifar_deep_10_epochs+vgg16_segmentation_x"


def test_early_stopping_at_full_scale_is_the_training_of_table_3_4():
    start = Weights("start")
    again = trainings.retrained("full", "vgg16_fov", start)
    assert again.schedule == trainings.segmented("full", "table_3_4/vgg16_segmentation_fov", start)
    assert again.config == "configs/table_3_1/vgg16_segmentation_fov_again.cfg"
    again = trainings.retrained("small", "alexnet", start)
    assert again.schedule.flags[-1] == "--flagfile=configs/base/small_early_stopping.cfg"
    assert again.schedule.images == again.images == "whole_scenes"


def test_few_labels_are_learned_by_what_stands_in():
    run = trainings.few_labelled("small", "alexnet", "imnt_10k", None, trainings.CIFAR_SHALLOW)
    assert run.name == "cifar_shallow_imnt_10k"
    assert run.config == "configs/table_3_4/alexnet_imnt_10k.cfg"
    run = trainings.few_labelled("full", "alexnet", "imnt_10k", None, trainings.CIFAR_SHALLOW)
    assert run.name == "alexnet_imnt_10k" and run.flags == ()


def test_objects_are_classified_on_all_images():
    run = trainings.classified("small", "vgg16_voc2007", None, ("--z=1",), "_kmeans")
    assert run.name == "vgg16_voc2007_kmeans" and run.images == "objects"
    assert run.flags == (*trainings.laid("small_classification", "small_networks"), "--z=1")


def test_autoencoders_are_pretrained_on_photographs():
    run = trainings.autoencoded("full", "alexnet_autoencoder")
    assert run.config == "configs/table_1_3/alexnet_autoencoder.cfg" and run.flags == ()
    run = trainings.autoencoded("small", "alexnet_autoencoder")
    assert run.images == "photographs"
    assert run.flags == trainings.laid("small_autoencoder", "small_networks")
