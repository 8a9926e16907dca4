" cnn.vim: colors for .cnn files.
" SPDX-License-Identifier: Apache-2.0
if exists('b:current_syntax')
  finish
endif

syntax case match
syntax keyword cnnStatement net block input output const labels train repeat if else import as
syntax keyword cnnOperator and or not
syntax keyword cnnBoolean true false
syntax keyword cnnValue in
syntax match cnnFunction "\<\%(conv\|depthwise\|conv_transpose\|maxpool\|avgpool\|stochastic_pool\|blurpool\|global_avgpool\|global_maxpool\|dense\|lstm\|gru\|rnn\|svdf\|relu\|relu6\|leaky_relu\|prelu\|elu\|selu\|gelu\|silu\|sigmoid\|hard_sigmoid\|hard_swish\|tanh\|softplus\|clip\|softmax\|log_softmax\|abs\|square\|sqrt\|exp\|log\|power\|floor\|modulo\|sin\|cos\|batchnorm\|layernorm\|rmsnorm\|groupnorm\|instancenorm\|lrn\|normalize\|scale\|bias\|l2norm\|unfold\|preemphasis\|stft\|mel\|dct\|decibel\|pcen\|micro_frontend\|dropout\|drop_path\|spec_mask\|add\|subtract\|multiply\|divide\|maximum\|minimum\|channel_mean\|channel_max\|concat\|constant\|split_heads\|join_heads\|split_windows\|join_windows\|split_rows\|join_rows\|transpose\|matmul\|attention\|multihead_attention\|relative_bias\|state\|update\|flatten\|reshape\|zero_pad\|crop\|crop_like\|upsample\|resize\|slice\|channel_shuffle\|space_to_depth\|depth_to_space\|argmax\|topk\|gather\|one_hot\|embedding\|grid_sample\|deformable_attention\|rotary\|roi_pool\|roi_align\|yolo\|proposals\|default_boxes\|decode\|nms\|panoptic\)\>"
syntax match cnnArgument "\<[A-Za-z_][A-Za-z0-9_]*\ze\s*=[^=]"
syntax match cnnMember "\.\zs\%(height\|width\|channels\|length\|size\)\>"
syntax match cnnArrow "->"
syntax match cnnNumber "\<\d\+\%(\.\d\+\)\?\%([eE][-+]\?\d\+\)\?\>"
syntax match cnnDimensions "\<\d\+\%(x\d\+\)\+\>"
syntax match cnnEscape contained "\\\%(["\\nt]\|u\x\{4}\)"
syntax region cnnString start=+"+ skip=+\\.+ end=+"+ oneline contains=cnnEscape,@Spell
syntax match cnnComment "#.*$" contains=@Spell

highlight default link cnnStatement Statement
highlight default link cnnOperator Operator
highlight default link cnnBoolean Boolean
highlight default link cnnValue Special
highlight default link cnnFunction Function
highlight default link cnnArgument Identifier
highlight default link cnnMember Special
highlight default link cnnArrow Operator
highlight default link cnnNumber Number
highlight default link cnnDimensions Number
highlight default link cnnEscape SpecialChar
highlight default link cnnString String
highlight default link cnnComment Comment

let b:current_syntax = 'cnn'
