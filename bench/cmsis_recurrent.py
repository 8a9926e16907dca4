"""cmsis_recurrent.py: translates an int8 lstm or svdf to the calls of CMSIS-NN that TensorFlow Lite for
Microcontrollers makes. Weights and scales come from cnnc's weight file. At initialization, arm_vector_sum_s8
would add sums of weights to the biases; here, the sums are part of the constants."""
# SPDX-License-Identifier: Apache-2.0
import math

from cmsis import dims, multiplier, numbers, single

GATES = ("input", "forget", "cell", "output")  # in the order of the weight file


def stored(files, name):
    return files[name + ".scale"][1][0], files[name + ".zero"][1][0]


def initializer(**members):
    return "{" + ", ".join(f".{name} = {value}" for name, value in members.items()) + "}"


def factor(name, value):
    m, e = multiplier(value)
    return {name + "_multiplier": m, name + "_shift": e}


# ---- lstm ----
def gate(data, files, n, side, bias):
    """Adds the weights and biases of a gate for x (side: input) or h (hidden) to `data`. Returns the members
    of the gate's struct."""
    of, short = ("x", "ih") if side == "input" else ("y", "hh")
    (sums, columns), weight = files[f"y.weight_{short}_l0"]
    units, scales = sums // len(GATES), files[f"y.weight_{short}_l0.scale"][1]
    scale, zero = stored(files, of)
    rows = [weight[i * columns:(i + 1) * columns] for i in range(n * units, (n + 1) * units)]
    bias = bias[n * units:(n + 1) * units] if bias else [0] * units
    data.append(numbers("int8_t", f"{GATES[n]}_{side}", [w for row in rows for w in row]))
    data.append(numbers("int32_t", f"{GATES[n]}_{side}_bias",
                        [b - zero * sum(row) for b, row in zip(bias, rows)]))
    return {**factor(side, scale * scales[n if len(scales) > 1 else 0] * 4096),
            side + "_weights": f"{GATES[n]}_{side}", side + "_effective_bias": f"{GATES[n]}_{side}_bias"}


def lstm(files, rows, keep):
    """The data and the call of an lstm, as C."""
    cell, (scale, zero) = files["y.cell.scale"][1][0], stored(files, "y")
    units, data, gates = files["y.weight_hh_l0"][0][1], [], {}
    for n, name in enumerate(GATES):
        gates[name + "_gate"] = initializer(
            **gate(data, files, n, "input", files["y.bias_ih_l0"][1]), **gate(data, files, n, "hidden", None),
            activation_type="ARM_TANH" if name == "cell" else "ARM_SIGMOID")
    data.append("static const cmsis_nn_lstm_params params = " + initializer(
        time_major=1, batch_size=1, time_steps=rows, input_size=files["y.weight_ih_l0"][0][1],
        hidden_size=units, input_offset=-stored(files, "x")[1], **factor("forget_to_cell", 2**-15),
        **factor("input_to_cell", 2**-30 / cell), cell_scale_power=math.frexp(cell)[1] - 1,
        **factor("output", 2**-30 / scale), output_offset=zero, **gates) + ";")
    hidden = ", ".join([str(zero)] * units)
    data.append(f"static int16_t one[{units}], two[{units}], cell[{units}];\n"
                f"static int8_t hidden[] = {{{hidden}}};\n"
                f"static cmsis_nn_lstm_context buffers = {{one, two, cell, {'hidden' if keep else 'NULL'}}};")
    return data, "arm_lstm_unidirectional_s8(input[i], output, &params, &buffers)"


# ---- svdf ----
def svdf(files):
    """The data and the call for a row, as C. The features and `weight_time` are both int16 or both int8."""
    (x_scale, x_zero), (scale, zero) = stored(files, "x"), stored(files, "y")
    (filters, columns), feature = files["y.weight_feature"]
    (_, memory), time = files["y.weight_time"]
    bias, features = files["y.bias"][1], files["y.features.scale"][1][0]
    wide = max(abs(w) for w in time) > 127
    kind, most = ("int16_t", 32767) if wide else ("int8_t", 127)
    first = multiplier(single(single(x_scale * files["y.weight_feature.scale"][1][0]) / features))
    second = multiplier(single(single(features * files["y.weight_time.scale"][1][0]) / scale))
    sums = [-x_zero * sum(feature[i * columns:(i + 1) * columns]) for i in range(filters)]
    data = [numbers("int8_t", "feature", feature), numbers(kind, "weight_time", time),
            numbers("int32_t", "bias", bias), numbers("int32_t", "sums", sums),
            f"static {kind} state[{filters * memory}];\nstatic int32_t one[{filters}], two[{len(bias)}];"]
    context = "" if wide else "&(cmsis_nn_context){(void *)sums, sizeof sums}, "
    call = (f"arm_svdf_{'state_s16_s8' if wide else 's8'}({context}&(cmsis_nn_context){{one, sizeof one}}, "
            f"&(cmsis_nn_context){{two, sizeof two}}, &(cmsis_nn_svdf_params){{{filters // len(bias)}, "
            f"{x_zero}, {zero}, {{{-most - 1}, {most}}}, {{-128, 127}}}}, "
            f"&(cmsis_nn_per_tensor_quant_params){{{first[0]}, {first[1]}}}, "
            f"&(cmsis_nn_per_tensor_quant_params){{{second[0]}, {second[1]}}}, {dims(1, columns)}, input[i], "
            f"{dims(1, memory * filters)}, state, {dims(filters, columns)}, feature, "
            f"{dims(filters, memory)}, weight_time, {dims(len(bias))}, bias, {dims(1, len(bias))}, output)")
    return data, call
