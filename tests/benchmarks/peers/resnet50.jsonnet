// ResNet-50 (He et al. 2016, stride in the 3×3 convolution), for narchi.
local conv(id, width, kernel=1, stride=1) = {
  _class: 'Conv2d', [if id != '' then '_id']: id, output_feats: width, kernel_size: kernel, stride: stride,
  padding: (kernel - 1) / 2, bias: false,
};
local norm(id) = { _class: 'BatchNorm2d', [if id != '' then '_id']: id };
local relu(id) = { _class: 'ReLU', _id: id };
local bottleneck(width, stride, projects) = {
  _class: 'Group', _name: 'Bottleneck', input: 'x', output: 'relu3',
  blocks: [
    { _class: 'Identity', _id: 'x' },
    conv('conv1', width), norm('bn1'), relu('relu1'),
    conv('conv2', width, 3, stride), norm('bn2'), relu('relu2'),
    conv('conv3', 4 * width), norm('bn3'), { _class: 'Add', _id: 'add' }, relu('relu3'),
  ] + (if projects then [{
    _class: 'Sequential', _id: 'downsample',
    blocks: [conv('', 4 * width, 1, stride), norm('')],
  }] else []),
  graph: [
    'x -> conv1 -> bn1 -> relu1 -> conv2 -> bn2 -> relu2 -> conv3 -> bn3 -> add -> relu3',
    if projects then 'x -> downsample -> add' else 'x -> add',
  ],
};
local stage(number, turns) = {
  local width = 64 * std.pow(2, number - 1),
  local stride = if number == 1 then 1 else 2,
  _class: 'Sequential', _id: 'layer' + number,
  blocks: [bottleneck(width, if turn == 0 then stride else 1, turn == 0)
           for turn in std.range(0, turns - 1)],
};
{
  blocks: [
    conv('conv1', 64, 7, 2), norm('bn1'), relu('relu'),
    { _class: 'MaxPool2d', _id: 'maxpool', kernel_size: 3, stride: 2, padding: 1 },
    stage(1, 3), stage(2, 4), stage(3, 6), stage(4, 3),
    { _class: 'AdaptiveAvgPool2d', _id: 'avgpool', output_feats: [1, 1] },
    { _class: 'Reshape', _id: 'flatten', reshape_spec: 'flatten' },
    { _class: 'Linear', _id: 'fc', output_feats: 1000 },
  ],
  graph: [
    'image -> conv1 -> bn1 -> relu -> maxpool -> layer1 -> layer2 -> layer3 -> layer4',
    'layer4 -> avgpool -> flatten -> fc -> logits',
  ],
  inputs: [{ _id: 'image', _shape: [3, 224, 224] }],
  outputs: [{ _id: 'logits', _shape: [1000] }],
}
