import pytest

from cssr.preparation.photo_names import photo_of


@pytest.mark.parametrize(
    ("name", "photo"),
    [
        ("CFD_004_1.jpg", "CFD_004"),
        ("noncrack_CFD_205_1.jpg", "noncrack_CFD_205"),
        ("CRACK500_20160222_081031_1921_721_0.jpg", "CRACK500_20160222_0810"),
        ("DeepCrack_11215-14_0.jpg", "DeepCrack_11215"),
        ("DeepCrack_IMG_6514-1_0.jpg", "DeepCrack_IMG_6514"),
        ("DeepCrack_IMG5714-1_0.jpg", "DeepCrack_IMG5714"),
        ("DeepCrack_7Q3A9060-11_0.jpg", "DeepCrack_7Q3A9060"),
        ("DeepCrack_11301_0.jpg", "DeepCrack_11301"),
        ("bridge_7__0_448.jpg", "bridge_7"),
        ("CFD_004__0_448.jpg", "CFD_004"),
        ("Rissbilder_for_Florian_9S6A2831_1556_2396_0.jpg", "Rissbilder_for_Florian_9S6A2831"),
        ("Volker_DSC01623_32_1414_1144_1043_0.jpg", "Volker_DSC01623"),
        ("noncrack_concrete_wall_22_9_0.jpg", "noncrack_concrete_wall_22"),
        ("another-1.png", "another-1.png"),
    ],
)
def test_the_photo_of_an_image_is_told_by_its_name(name, photo):
    assert photo_of(name) == photo
